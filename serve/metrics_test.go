package serve

import (
	"net/http"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	body := colorPNG(t, 4, 3, red)
	for range 3 {
		do(s.Handler(), http.MethodPost, "/invocations", body)
	}
	do(s.Handler(), http.MethodPost, "/invocations", []byte("x"))
	do(s.Handler(), http.MethodGet, "/surprise/17", nil)
	w := do(s.Handler(), http.MethodGet, "/metrics", nil)
	wantStatus(t, w, http.StatusOK, "")
	for _, want := range []string{
		`rehead_requests_total{code="200",route="/invocations"} 3`,
		`rehead_requests_total{code="415",route="/invocations"} 1`,
		`rehead_requests_total{code="404",route="unmatched"} 1`,
		`rehead_pictures_total{result="answered"} 3`,
		`rehead_pictures_total{result="unreadable"} 1`,
		`rehead_batch_size_sum 3`,
		`rehead_forward_duration_seconds_count 3`,
		`rehead_decode_duration_seconds_count 3`,
		`rehead_queue_pictures 0`,
		`rehead_body_bytes 0`,
		`rehead_ready 1`,
		`rehead_models 1`,
		`rehead_model_loads_total{result="ok"} 1`,
		`go_goroutines`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") && want != "go_goroutines" ||
			!strings.Contains(w.Body.String(), want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "surprise") {
		t.Error("a stranger's path became a label")
	}
	if strings.Contains(w.Body.String(), "rehead_network_info{") {
		t.Error("the metrics tell of a network, and the fake has none")
	}
	newServer(t, &fake{}, Config{}) // a second registry does not meet the first
}
