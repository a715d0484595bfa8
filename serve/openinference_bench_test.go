package serve

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/load"
)

// BenchmarkBinaryInfer takes turns: pictures as the bodies of /invocations, then as binary tensors.
// It reports the images a second of each, and what share of the one's time the other takes.
func BenchmarkBinaryInfer(b *testing.B) {
	const images, clients, headerLength = 32, 4, 256
	url, _ := start(b, newServer(b, realModel(b, 1, 299), Config{}))
	pictures := photographs(b, images)
	bodies := make([][]byte, images)
	for i, p := range pictures {
		data := elements(p)
		text := binaryInput("image", "BYTES", "[1]", len(data), `,"parameters":{"binary_data_output":true}`)
		text += strings.Repeat(" ", headerLength-len(text)) // one header does for all
		bodies[i] = append([]byte(text), data...)
	}
	ask := func(route string, bodies [][]byte, header http.Header) float64 {
		got, err := load.Run(b.Context(), load.Config{URL: url + route, Bodies: bodies, Header: header, Clients: clients,
			Requests: images, Duration: time.Hour})
		if err != nil || got.Answered != images {
			b.Fatalf("%+v, %v", got, err)
		}
		return got.Seconds
	}
	var plain, tensors, ratios []float64
	for b.Loop() {
		p := ask("/invocations", pictures, nil)
		t := ask("/v2/models/model/infer", bodies, http.Header{headerInferLength: {strconv.Itoa(headerLength)}})
		plain, tensors, ratios = append(plain, p), append(tensors, t), append(ratios, t/p)
	}
	b.ReportMetric(images/median(plain), "images/s-invocations")
	b.ReportMetric(images/median(tensors), "images/s-binary")
	b.ReportMetric(median(ratios), "ratio-median")
}
