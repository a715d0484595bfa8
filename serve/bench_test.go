package serve

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/load"
	"github.com/c236555e/rehead/nn"
)

// photographs are real ones, from data/flowers of the folder that REHEAD_SHARED names, or else
// drawn ones of a camera's usual size for the web.
func photographs(b *testing.B, n int) [][]byte {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(datatest.Folder(b), "data", "flowers", "*", "*.jpg"))
	if err != nil {
		b.Fatal(err)
	}
	var pictures [][]byte
	for i := range min(n, len(paths)) {
		data, err := os.ReadFile(paths[i*len(paths)/n])
		if err != nil {
			b.Fatal(err)
		}
		pictures = append(pictures, data)
	}
	if len(pictures) > 0 {
		return pictures
	}
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 500, 333))
		for y := range 333 {
			for x := range 500 {
				v := 127 + 100*math.Sin(float64(x*(i+3))/40)*math.Cos(float64(y*(i+2))/30)
				img.Set(x, y, color.RGBA{R: uint8(v), G: uint8(255 - v), B: uint8(x * y), A: 255})
			}
		}
		var data bytes.Buffer
		if err := jpeg.Encode(&data, img, nil); err != nil {
			b.Fatal(err)
		}
		pictures = append(pictures, data.Bytes())
	}
	return pictures
}

// BenchmarkForward is what the server is measured against: the network alone, at its best batch,
// and one picture decoded and run with nothing between.
func BenchmarkForward(b *testing.B) {
	c := realModel(b, 1, 299)
	defer func() { _ = c.Close() }()
	pictures := photographs(b, 32)
	for _, n := range []int{1, 4, 8, 16} {
		inputs := make([]*inception.Input, n)
		for i := range inputs {
			inputs[i] = &inception.Input{Data: pictures[i%len(pictures)]}
			if err := inputs[i].Decode(b.Context(), c.Model().Recipe, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("batch="+strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := c.Classify(b.Context(), inputs...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
	b.Run("decode+forward", func(b *testing.B) {
		pixels := make([]float32, 3*299*299)
		i := 0
		for b.Loop() {
			decodeAndClassify(b, c, pictures[i%len(pictures)], pixels)
			i++
		}
	})
}

// decodeAndClassify answers for one picture with nothing between.
func decodeAndClassify(b *testing.B, c *inception.Classifier, data []byte, pixels []float32) {
	b.Helper()
	in := &inception.Input{Data: data}
	if err := in.Decode(b.Context(), c.Model().Recipe, pixels); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Classify(b.Context(), in); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkInvocations is the server over loopback, in a closed loop.
func BenchmarkInvocations(b *testing.B) {
	c := realModel(b, 1, 299)
	pictures := photographs(b, 32)
	s := newServer(b, c, Config{})
	url, _ := start(b, s)
	for _, clients := range []int{1, 4, 16} {
		b.Run("clients="+strconv.Itoa(clients), func(b *testing.B) {
			got, err := load.Run(b.Context(), load.Config{
				URL: url + "/invocations", Bodies: pictures, Clients: clients, Requests: b.N, Duration: time.Hour,
			})
			if err != nil || got.Answered != b.N {
				b.Fatalf("%+v, %v", got, err)
			}
			b.ReportMetric(got.Speed, "images/s")
			b.ReportMetric(got.PerImage.Median, "p50-ms")
			b.ReportMetric(got.PerImage.P99, "p99-ms")
		})
	}
}

// BenchmarkServedShare takes turns: the network alone at each of some batches, then 16 clients,
// about as many pictures each time, so that a machine whose speed drifts is as fast for the one as
// for the other. It reports what share of the network's own images a second the server reaches,
// against the best batch: over all turns together, and in the median of the turns; and what share is possible,
// as decoding a picture takes its time of one core, and all cores compute.
func BenchmarkServedShare(b *testing.B) {
	for _, p := range []nn.Precision{nn.Float32, nn.BFloat16, nn.Int8} {
		b.Run(string(p), func(b *testing.B) { servedShare(b, p) })
	}
}

func servedShare(b *testing.B, p nn.Precision) {
	const clients, images = 16, 32
	pictures := photographs(b, images)
	c := precise(b, p, pictures)
	url, _ := start(b, newServer(b, c, Config{}))
	size := 3 * 299 * 299
	pixels, features := make([]float32, 8*size), make([]float32, 8*c.Trunk().Features())
	for i := range 8 {
		if _, err := c.Model().Recipe.Load(pictures[i], picture.Limits{}, pixels[i*size:][:size]); err != nil {
			b.Fatal(err)
		}
	}
	alone := func(n int) float64 {
		begin := time.Now()
		for range images / n {
			if err := c.Trunk().Embed(b.Context(), n, pixels[:n*size], features[:n*c.Trunk().Features()]); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(begin).Seconds()
	}
	batches := []int{1, 2, 4, 8}
	took := make([][]float64, len(batches)) // seconds of each turn
	var served, decoded []float64
	for b.Loop() {
		begin := time.Now()
		for _, data := range pictures {
			if _, err := c.Model().Recipe.Load(data, picture.Limits{}, pixels[:size]); err != nil {
				b.Fatal(err)
			}
		}
		decoded = append(decoded, time.Since(begin).Seconds())
		for i, n := range batches {
			took[i] = append(took[i], alone(n))
		}
		got, err := load.Run(b.Context(),
			load.Config{URL: url + "/invocations", Bodies: pictures, Clients: clients, Requests: images, Duration: time.Hour})
		if err != nil || got.Answered != images {
			b.Fatalf("%+v, %v", got, err)
		}
		served = append(served, got.Seconds)
	}
	share, middle, possible := 1e9, 1e9, 1.0
	for i, n := range batches {
		turns := make([]float64, len(served))
		for k, s := range served {
			turns[k] = took[i][k] / s
		}
		share, middle = min(share, sum(took[i])/sum(served)), min(middle, median(turns))
		possible = min(possible, sum(took[i])/(sum(took[i])+sum(decoded)/float64(runtime.GOMAXPROCS(0))))
		b.ReportMetric(images*float64(len(served))/sum(took[i]), "images/s-alone-"+strconv.Itoa(n))
	}
	b.ReportMetric(images*float64(len(served))/sum(served), "images/s-served")
	b.ReportMetric(share, "share")
	b.ReportMetric(middle, "share-median")
	b.ReportMetric(possible, "share-possible")
}

// precise is a classifier of the full network that computes with p, calibrated on those pictures.
func precise(b *testing.B, p nn.Precision, pictures [][]byte) *inception.Classifier {
	b.Helper()
	w, err := inception.Random(inception.RandomConfig{Seed: 5, Classes: 7})
	if err != nil {
		b.Fatal(err)
	}
	switch p {
	case nn.BFloat16:
		w, err = w.Narrowed()
	case nn.Int8:
		w, err = inception.Calibrate(b.Context(), w, nn.Config{}, len(pictures), func(i int, pixels []float32) error {
			_, err := w.Recipe.Load(pictures[i], picture.Limits{}, pixels)
			return err
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	return answering(b, w)
}

// BenchmarkServedLatency takes turns as well: pictures decoded and run one by one with nothing
// between, then by one client. It reports the median of each in milliseconds, and the ratio.
func BenchmarkServedLatency(b *testing.B) {
	const images = 16
	c := realModel(b, 1, 299)
	pictures := photographs(b, images)
	url, _ := start(b, newServer(b, c, Config{}))
	pixels := make([]float32, 3*299*299)
	var alone, served []float64
	for b.Loop() {
		for _, p := range pictures {
			begin := time.Now()
			decodeAndClassify(b, c, p, pixels)
			alone = append(alone, 1e3*time.Since(begin).Seconds())
		}
		got, err := load.Run(b.Context(),
			load.Config{URL: url + "/invocations", Bodies: pictures, Requests: images, Duration: time.Hour})
		if err != nil || got.Answered != images {
			b.Fatalf("%+v, %v", got, err)
		}
		served = append(served, got.PerImage.Median)
	}
	b.ReportMetric(median(alone), "alone-ms")
	b.ReportMetric(median(served), "served-ms")
	b.ReportMetric(median(served)/median(alone), "ratio")
}

func sum(v []float64) (total float64) {
	for _, x := range v {
		total += x
	}
	return total
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
