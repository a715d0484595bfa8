//go:build gpu

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/draw"
)

// onLibrary are the flags that run a network on ONNX Runtime's CPU provider.
var onLibrary = []string{"--device", "onnxruntime:cpu"}

// TestONNXRuntime runs every command that takes --device on the library, and holds what it says to
// what the CPU's own kernels say.
func TestONNXRuntime(t *testing.T) {
	datatest.ONNXRuntime(t)
	dir := t.TempDir()
	pictures, trunk, model := filepath.Join(dir, "pictures"), narrow(t, dir), filepath.Join(dir, "model")
	if err := draw.Folder(pictures, 3, 8, 5); err != nil {
		t.Fatal(err)
	}
	train := []string{"train", pictures, "--weights", trunk, "--cache", filepath.Join(dir, "cache"), "--no-report", "--json"}
	o := must(t, nil, append(append(train, "-o", model), onLibrary...)...)
	if !strings.Contains(o.stderr, "runs on onnxruntime:cpu, kernel float32") {
		t.Errorf("train: stderr does not name the device: %s", o.stderr)
	}
	t.Run("answers", func(t *testing.T) {
		picture := firstPicture(t, pictures)
		for _, args := range [][]string{{"predict", model, picture, "--json"},
			{"evaluate", model, pictures, "--cache", "none", "--json"},
			{"embed", picture, "--weights", trunk, "-o", filepath.Join(dir, "rows.npy"), "--cache", "none", "--json"}} {
			here := must(t, nil, args...)
			there := must(t, nil, append(args, onLibrary...)...)
			if !alike(t, here.stdout, there.stdout) {
				t.Errorf("%s: on the CPU %s\non the library %s", args[0], here.stdout, there.stdout)
			}
		}
	})
	t.Run("bench and version", func(t *testing.T) {
		var bench benchmark.ForwardReport
		forward := []string{"bench", "forward", "--weights", trunk, "--threads", "2", "--duration", "10ms", "--json"}
		must(t, &bench, append(forward, onLibrary...)...)
		if bench.Device != "onnxruntime:cpu" || bench.Kernel != "float32" || bench.Threads != 2 {
			t.Errorf("bench forward: got %s, %s, %d threads", bench.Device, bench.Kernel, bench.Threads)
		}
		must(t, &bench, forward...)
		if bench.Device == "onnxruntime:cpu" {
			t.Error("auto took the library's provider for processors")
		}
		fails(t, append(append(forward, "--precision", "int8"), onLibrary...), "int8")
		fails(t, append(forward, "--device", "onnxruntime:cpu:1"), "no number")
		var version struct{ Found []string }
		must(t, &version, "version", "--json")
		if !strings.Contains(strings.Join(version.Found, " "), "onnxruntime:cpu (ONNX Runtime 1.") {
			t.Errorf("version: found %v, want the library among them", version.Found)
		}
	})
	t.Run("server", func(t *testing.T) { askAboutAll(t, model, pictures) })
	t.Run("float16", func(t *testing.T) {
		half := append([]string{"--kernel", "float16"}, onLibrary...)
		other := filepath.Join(dir, "half")
		var trained map[string]any
		must(t, &trained, append(append(train, "-o", other), half...)...)
		if trained["cached"] != 0.0 {
			t.Errorf("a run in float16 took %v bottlenecks of float32 from the cache", trained["cached"])
		}
		for _, flags := range [][]string{nil, half} {
			_, stop := serveWith(t, nil, append([]string{"serve", other, "--addr", "127.0.0.1:0"}, flags...)...)
			stop() // it was ready, so the self-test, whose answers are float32, has passed
		}
	})
}

// TestONNXRuntimeFlowers trains on photographs on the library and asks a server on it about some.
func TestONNXRuntimeFlowers(t *testing.T) {
	datatest.ONNXRuntime(t)
	if testing.Short() {
		t.Skip("700 photographs take a minute")
	}
	pictures, model := datatest.Shared(t, "data", "flowers"), filepath.Join(t.TempDir(), "model")
	must(t, nil, append([]string{"train", pictures, "-o", model, "--cache", "none", "--no-report"}, onLibrary...)...)
	askAboutAll(t, model, pictures)
}

// askAboutAll serves the model on the library, asks it about a picture of each label, and wants most
// answers right and the device named everywhere.
func askAboutAll(t *testing.T, model, pictures string) {
	t.Helper()
	addr, stop := serveWith(t, nil, append([]string{"serve", model, "--addr", "127.0.0.1:0"}, onLibrary...)...)
	var card struct {
		Labels  []string
		Network map[string]any
	}
	if err := json.Unmarshal(fetched(t, "http://"+addr+"/v1/model"), &card); err != nil {
		t.Fatal(err)
	}
	if card.Network["device"] != "onnxruntime:cpu" {
		t.Errorf("/v1/model: the network is %v", card.Network)
	}
	right := 0
	for _, label := range card.Labels {
		files, err := filepath.Glob(filepath.Join(pictures, label, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no pictures of %s: %v", label, err)
		}
		body, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post("http://"+addr+"/invocations", "application/octet-stream", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var best struct {
			Predictions []struct {
				Label string
			}
		}
		err = json.NewDecoder(answer.Body).Decode(&best)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || len(best.Predictions) == 0 {
			t.Fatalf("%s: status %d, %v", files[0], answer.StatusCode, err)
		}
		if best.Predictions[0].Label == label {
			right++
		}
	}
	if n := len(card.Labels); n < 3 || right < (n+1)/2 {
		t.Errorf("%d of %d pictures are answered right", right, n)
	}
	const named = `rehead_network_info{device="onnxruntime:cpu",kernel="float32",precision="float32"} 1`
	if !bytes.Contains(fetched(t, "http://"+addr+"/metrics"), []byte(named)) {
		t.Errorf("the metrics do not have %s", named)
	}
	if o := stop(); !strings.Contains(o.stderr, `"device":"onnxruntime:cpu"`) {
		t.Errorf("the log does not name the device: %s", o.stderr)
	}
}

// alike reports whether two answers have the same shape, the same texts, and numbers that differ by
// less than 2e-3.
func alike(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatalf("%v in %s or %s", err, a, b)
	}
	return near(x, y)
}

func near(x, y any) bool {
	switch x := x.(type) {
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if !strings.Contains(k, "second") && !near(v, y[k]) { // how long it took may differ
				return false
			}
		}
		return true
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i, v := range x {
			if !near(v, y[i]) {
				return false
			}
		}
		return true
	case float64:
		y, ok := y.(float64)
		return ok && math.Abs(x-y) <= 2e-3
	}
	return x == y
}

// fetched is what a server answers.
func fetched(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, r.StatusCode, err)
	}
	return text
}

// firstPicture is one of a folder of label folders.
func firstPicture(t *testing.T, pictures string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pictures, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pictures in %s: %v", pictures, err)
	}
	return files[0]
}
