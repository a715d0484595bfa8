package serve

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what GET /metrics shows, in a registry of the server's own, so that two servers in a
// process do not meet. Times are seconds. Labels hold a route's pattern and a status, never
// anything of a request.
type metrics struct {
	owner    prometheus.Registerer // Config.Registerer; nil for none
	mine     []prometheus.Collector
	handler  http.Handler
	requests *prometheus.CounterVec   // by route and status
	duration *prometheus.HistogramVec // by route
	pictures *prometheus.CounterVec   // by result: answered or unreadable
	waiting  prometheus.Histogram
	decoding prometheus.Histogram
	forward  prometheus.Histogram
	batch    prometheus.Histogram
	inFlight prometheus.Gauge
	reloads  *prometheus.CounterVec // by result: ok or failed
}

func newMetrics(s *Server) *metrics {
	seconds := prometheus.ExponentialBuckets(0.001, 2, 17) // 1 ms to 66 s
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	registry := prometheus.NewRegistry()
	m := &metrics{
		handler:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}),
		requests: counter("rehead_requests_total", "Requests answered.", "route", "code"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rehead_request_duration_seconds", Help: "From a request's header to its answer.", Buckets: seconds,
		}, []string{"route"}),
		pictures: counter("rehead_pictures_total", "Pictures answered, or found unreadable.", "result"),
		waiting:  histogram("rehead_queue_duration_seconds", "A decoded picture's wait for its forward pass.", seconds),
		decoding: histogram("rehead_decode_duration_seconds", "Decoding and resizing one picture.", seconds),
		forward:  histogram("rehead_forward_duration_seconds", "One forward pass.", seconds),
		batch:    histogram("rehead_batch_size", "Pictures in one forward pass.", []float64{1, 2, 4, 8, 16, 32, 64, 128}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rehead_requests_in_flight", Help: "Requests under way."}),
		reloads:  counter("rehead_model_loads_total", "Models loaded, or refused.", "result"),
	}
	m.mine = []prometheus.Collector{
		m.requests, m.duration, m.pictures, m.waiting, m.decoding, m.forward, m.batch, m.inFlight, m.reloads,
		gauge("rehead_queue_pictures", "Pictures waiting or under way.", func() float64 {
			return float64(s.pipeline.admitted.Load())
		}),
		gauge("rehead_body_bytes", "Bytes of request bodies held.", func() float64 { return float64(s.bodies.used.Load()) }),
		gauge("rehead_ready", "1 when /ping answers 200.", func() float64 {
			if s.ready() {
				return 1
			}
			return 0
		}),
		gauge("rehead_models", "Models loaded.", func() float64 { return float64(s.countModels()) }),
		networks{s},
	}
	registry.MustRegister(m.mine...)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// register makes the server's own metrics known to somebody else's registry: all or none.
func (m *metrics) register(to prometheus.Registerer) error {
	if to == nil {
		return nil
	}
	for i, c := range m.mine {
		if err := to.Register(c); err != nil {
			for _, before := range m.mine[:i] {
				to.Unregister(before)
			}
			return fmt.Errorf("serve: Config.Registerer: %w: of two servers in one registry, give each its own "+
				"prometheus.WrapRegistererWith", err)
		}
	}
	m.owner = to
	return nil
}

// unregister undoes register.
func (m *metrics) unregister() {
	if m.owner == nil {
		return
	}
	for _, c := range m.mine {
		m.owner.Unregister(c)
	}
}

// networks tells what the loaded models' networks run on.
type networks struct{ s *Server }

var networkInfo = prometheus.NewDesc("rehead_network_info", "Models loaded whose network runs on this device.",
	[]string{"device", "kernel", "precision"}, nil)

// Describe is prometheus.Collector's.
func (networks) Describe(to chan<- *prometheus.Desc) { to <- networkInfo }

// Collect is prometheus.Collector's.
func (n networks) Collect(to chan<- prometheus.Metric) {
	for card, models := range n.s.networks() {
		to <- prometheus.MustNewConstMetric(networkInfo, prometheus.GaugeValue, float64(models), card.Device, card.Kernel,
			card.Precision)
	}
}

// answered counts one request.
func (m *metrics) answered(route string, code int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) queued(wait time.Duration)  { m.waiting.Observe(wait.Seconds()) }
func (m *metrics) decoded(took time.Duration) { m.decoding.Observe(took.Seconds()) }

func (m *metrics) passed(pictures int, took time.Duration) {
	m.forward.Observe(took.Seconds())
	m.batch.Observe(float64(pictures))
}
