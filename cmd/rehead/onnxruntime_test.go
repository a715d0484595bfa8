//go:build gpu

package main

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/nn"
)

// onLibrary are the flags that run a network on ONNX Runtime's CPU provider.
var onLibrary = []string{"--device", "onnxruntime:cpu"}

// TestONNXRuntimeCommands runs every command that takes --device on the library, and holds what it
// says to what the CPU's own kernels say.
func TestONNXRuntimeCommands(t *testing.T) {
	datatest.ONNXRuntime(t)
	w := newWorld(t)
	model := filepath.Join(w.dir, "on-library")
	var trained map[string]any
	o := must(t, &trained, append([]string{"train", w.pictures, "--weights", w.trunk, "-o", model, "--cache", "none",
		"--json"}, onLibrary...)...)
	if !strings.Contains(o.stderr, "runs on onnxruntime:cpu, kernel float32") {
		t.Errorf("train: stderr does not name the device: %s", o.stderr)
	}
	if got, want := trained["test_accuracy"].(float64), w.trained["test_accuracy"].(float64); math.Abs(got-want) > 0.2 {
		t.Errorf("test accuracy %v on the library, %v on the CPU", got, want)
	}
	picture := firstPicture(t, w.pictures)
	for _, args := range [][]string{{"predict", model, picture, "--json"}, {"evaluate", model, w.pictures, "--json"},
		{"embed", picture, "--weights", w.trunk, "-o", filepath.Join(w.dir, "rows.npy"), "--cache", "none", "--json"}} {
		here := must(t, nil, args...)
		there := must(t, nil, append(args, onLibrary...)...)
		if !alike(t, here.stdout, there.stdout) {
			t.Errorf("%s: on the CPU %s\non the library %s", args[0], here.stdout, there.stdout)
		}
	}
	var bench benchmark.ForwardReport
	must(t, &bench, append([]string{"bench", "forward", "--weights", w.trunk, "--threads", "2", "--duration", "10ms",
		"--json"}, onLibrary...)...)
	if bench.Device != "onnxruntime:cpu" || bench.Kernel != "float32" || bench.Threads != 2 {
		t.Errorf("bench forward: got %s, %s, %d threads", bench.Device, bench.Kernel, bench.Threads)
	}
	fails(t, append([]string{"bench", "forward", "--weights", w.trunk, "--precision", "int8"}, onLibrary...), "int8")
	fails(t, []string{"bench", "forward", "--weights", w.trunk, "--device", "onnxruntime:cpu:1"}, "no number")
	var version struct{ Devices, Found []string }
	must(t, &version, "version", "--json")
	if !strings.Contains(strings.Join(version.Found, " "), "onnxruntime:cpu (ONNX Runtime 1.") {
		t.Errorf("version: found %v, want the library among them", version.Found)
	}
}

// TestONNXRuntimeServer trains on photographs of flowers, where they are there, else on drawn
// pictures, serves the model on the library, and asks it about a picture.
func TestONNXRuntimeServer(t *testing.T) {
	datatest.ONNXRuntime(t)
	pictures := filepath.Join(datatest.Folder(t), "data", "flowers")
	dir := t.TempDir()
	model := filepath.Join(dir, "model")
	if _, err := os.Stat(pictures); err != nil || testing.Short() {
		pictures, model = newWorld(t).pictures, filepath.Join(dir, "model")
	}
	must(t, nil, append([]string{"train", pictures, "-o", model, "--cache", "none", "--no-report"}, onLibrary...)...)
	addr, stop := serveWith(t, nil, append([]string{"serve", model, "--addr", "127.0.0.1:0"}, onLibrary...)...)
	var card struct{ Network map[string]any }
	get(t, "http://"+addr+"/v1/model", &card)
	if card.Network["device"] != "onnxruntime:cpu" {
		t.Errorf("/v1/model: the network is %v", card.Network)
	}
	right, asked := 0, 0
	folders, err := os.ReadDir(pictures)
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range folders {
		files, err := filepath.Glob(filepath.Join(pictures, label.Name(), "*"))
		if err != nil || len(files) == 0 {
			continue // a file beside the label folders
		}
		body, err := os.Open(files[0])
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post("http://"+addr+"/invocations", "application/octet-stream", body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", files[0], answer.StatusCode, text)
		}
		asked++
		if strings.Index(string(text), `"`+label.Name()+`"`) == strings.Index(string(text), `"label":"`)+len(`"label":`) {
			right++
		}
	}
	if asked < 2 || right < (asked+1)/2 {
		t.Errorf("%d of %d pictures are answered right", right, asked)
	}
	metrics, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(metrics.Body)
	if err != nil || !strings.Contains(string(text), `rehead_network_info{device="onnxruntime:cpu",kernel="float32",`) {
		t.Errorf("metrics do not name the device: %v", err)
	}
	if o := stop(); !strings.Contains(o.stderr, `"device":"onnxruntime:cpu"`) {
		t.Errorf("the log does not name the device: %s", o.stderr)
	}
}

// TestONNXRuntimeFloat16: bottlenecks of float16 are no others' and heads of them are served anywhere.
func TestONNXRuntimeFloat16(t *testing.T) {
	datatest.ONNXRuntime(t)
	w := newWorld(t)
	half := append([]string{"--kernel", "float16"}, onLibrary...)
	model := filepath.Join(w.dir, "half")
	var trained map[string]any
	must(t, &trained, append([]string{"train", w.pictures, "--weights", w.trunk, "-o", model, "--cache",
		filepath.Join(w.dir, "cache"), "--json"}, half...)...)
	if trained["cached"] != 0.0 {
		t.Errorf("a run in float16 took %v bottlenecks of float32 from the cache", trained["cached"])
	}
	for _, flags := range [][]string{nil, onLibrary, half} {
		addr, stop := serveWith(t, nil, append([]string{"serve", model, "--addr", "127.0.0.1:0"}, flags...)...)
		var health any
		get(t, "http://"+addr+"/v1/model", &health) // ready: the self-test has passed
		stop()
	}
}

// TestONNXRuntimeAuto: the library's CPU provider is taken only where it is named.
func TestONNXRuntimeAuto(t *testing.T) {
	var bench benchmark.ForwardReport
	must(t, &bench, "bench", "forward", "--weights", narrow(t, t.TempDir()), "--duration", "1ms", "--json")
	if bench.Device == "onnxruntime:cpu" || len(nn.Devices()) < 4 {
		t.Errorf("auto took %s of %v", bench.Device, nn.Devices())
	}
}

// alike reports whether two answers have the same shape, the same texts, and numbers that differ by
// less than 2e-3.
func alike(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	for text, to := range map[string]*any{a: &x, b: &y} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
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

// get reads a JSON answer.
func get(t *testing.T, url string, v any) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(v); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, r.StatusCode, err)
	}
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
