package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/train"
)

// world is a drawn data set, a trunk and a model trained with them, made once for all tests.
type world struct {
	dir, pictures, trunk, model string
	trained                     map[string]any
}

func newWorld(t *testing.T) world {
	t.Helper()
	dir := t.TempDir()
	w := world{dir: dir, pictures: filepath.Join(dir, "pictures"), trunk: narrow(t, dir),
		model: filepath.Join(dir, "model")}
	if err := draw.Folder(w.pictures, 3, 16, 5); err != nil {
		t.Fatal(err)
	}
	must(t, &w.trained, "train", w.pictures, "--weights", w.trunk, "-o", w.model, "--cache", filepath.Join(dir, "cache"),
		"--json")
	return w
}

func TestFromPicturesToAnswers(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{"images", "classes", "train_accuracy", "validation_accuracy", "test_accuracy"} {
		if _, ok := w.trained[key].(float64); !ok {
			t.Errorf("train --json: %q is %v, want a number", key, w.trained[key])
		}
	}
	if got := w.trained["images"]; got != 48.0 {
		t.Errorf("train --json: images is %v, want 48", got)
	}
	if got, _ := w.trained["test_accuracy"].(float64); got < 0.6 {
		t.Errorf("test accuracy %v on three drawn shapes in three colours, want at least 0.6", got)
	}

	t.Run("a second run embeds nothing and writes the same bytes", func(t *testing.T) {
		again := filepath.Join(w.dir, "again")
		var trained map[string]any
		must(t, &trained, "train", w.pictures, "--weights", w.trunk, "-o", again, "--cache", filepath.Join(w.dir, "cache"),
			"--json")
		if trained["embedded"] != 0.0 || trained["cached"] != 48.0 {
			t.Errorf("embedded %v, cached %v; want 0 and 48", trained["embedded"], trained["cached"])
		}
		files, err := os.ReadDir(w.model)
		if err != nil || len(files) < 5 {
			t.Fatalf("model folder: %v, %v", files, err)
		}
		for _, f := range files {
			one, err1 := os.ReadFile(filepath.Join(w.model, f.Name()))
			two, err2 := os.ReadFile(filepath.Join(again, f.Name()))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(one, two) {
				t.Errorf("%s differs between two runs with the same inputs and seed", f.Name())
			}
		}
	})

	t.Run("the report", func(t *testing.T) {
		path := filepath.Join(w.model, "report.html")
		if got := w.trained["report"]; got != path {
			t.Errorf("train --json: report is %v, want %s", got, path)
		}
		html, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(html, []byte("<!DOCTYPE html>")) || !bytes.Contains(html, []byte(draw.Label(0))) {
			t.Errorf("report.html: %v, %.40q", err, html)
		}
		without := filepath.Join(w.dir, "without")
		var trained map[string]any
		must(t, &trained, "train", w.pictures, "--weights", w.trunk, "-o", without, "--cache", filepath.Join(w.dir, "cache"),
			"--no-report", "--json")
		if report, ok := trained["report"]; !ok || report != nil {
			t.Errorf("train --no-report --json: report is %v (present %t), want null", report, ok)
		}
		if _, err := os.Stat(filepath.Join(without, "report.html")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("train --no-report: report.html: %v", err)
		}
		a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}} // a report that fails costs no model
		if got := a.report(t.Context(), &train.Result{}); got != nil ||
			!strings.Contains(fmt.Sprint(a.stderr), "gets no report") {
			t.Errorf("a result without pictures: got %d bytes, and said %v", len(got), a.stderr)
		}
	})

	t.Run("TensorBoard's events", func(t *testing.T) { checkEvents(t, w) })

	t.Run("plots", func(t *testing.T) { checkPlots(t, w) })
	t.Run("report of an evaluation", func(t *testing.T) { checkEvaluationReport(t, w) })

	t.Run("evaluate", func(t *testing.T) {
		var m map[string]any
		must(t, &m, "evaluate", w.model, w.pictures, "--part", "test", "--cache", "none", "--json")
		if got, want := m["accuracy"], w.trained["test_accuracy"]; got != want {
			t.Errorf("evaluate: accuracy %v on the test part, want what train measured: %v", got, want)
		}
		other := filepath.Join(t.TempDir(), "other")
		if err := draw.Folder(other, 3, 2, 99); err != nil {
			t.Fatal(err)
		}
		o := must(t, nil, "evaluate", w.model, other, "--cache", "none")
		for text, want := range map[string]bool{"\nall ": true, "on none of these pictures": true,
			"balanced accuracy": true, "precision": true, "\ntrain ": false, "\nvalidation ": false} {
			if strings.Contains(o.stdout, text) != want {
				t.Errorf("evaluate on other pictures: %q is there is %t, want %t: %s", text, !want, want, o.stderr)
			}
		}
	})

	t.Run("predict and serve agree to the last digit", func(t *testing.T) {
		picture := filepath.Join(w.pictures, draw.Label(1), "0003.jpg")
		var predicted struct {
			Image       string
			Predictions []struct {
				Label       string
				Probability json.Number
			}
		}
		must(t, &predicted, "predict", w.model, picture, "--json")
		if predicted.Image != picture || len(predicted.Predictions) != 3 || predicted.Predictions[0].Label != draw.Label(1) {
			t.Fatalf("predict: got %+v", predicted)
		}
		addr, stop := serveModel(t, w.model)
		data, err := os.ReadFile(picture)
		if err != nil {
			t.Fatal(err)
		}
		served := predicted
		served.Predictions = nil
		if status := post(t, "http://"+addr+"/invocations", "image/jpeg", data, &served); status != http.StatusOK {
			t.Fatalf("invocations: status %d", status)
		}
		for i, p := range predicted.Predictions {
			if served.Predictions[i] != p {
				t.Errorf("label %d: predict %v, serve %v", i, p, served.Predictions[i])
			}
		}
		if o := stop(); o.code != exitDone {
			t.Errorf("serve ended with code %d: %s", o.code, o.stderr)
		}
	})

	t.Run("embed", func(t *testing.T) { checkEmbed(t, w) })
	t.Run("evaluate --predictions", func(t *testing.T) { checkPredictions(t, w) })

	t.Run("inspect", func(t *testing.T) {
		var card map[string]any
		must(t, &card, "inspect", w.model, "--json")
		if card["trunk_stored"] != true || len(card["labels"].([]any)) != 3 {
			t.Errorf("inspect: %v", card)
		}
	})

	t.Run("bad input", func(t *testing.T) { badInput(t, w) })
}

// badInput: every failure is exit code 1, one sentence that names the file, and nothing
// half-written.
func badInput(t *testing.T, w world) {
	out := filepath.Join(w.dir, "never")
	trainIn := func(dir, weights string) []string {
		return []string{"train", dir, "--weights", weights, "-o", out, "--cache", "none"}
	}
	folder := func(name string) string {
		dir := filepath.Join(w.dir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	write := func(path string, data []byte) string {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}

	empty := folder("empty")
	fails(t, trainIn(empty, w.trunk), empty)

	one := folder("one")
	if err := draw.Folder(one, 1, 4, 1); err != nil {
		t.Fatal(err)
	}
	fails(t, trainIn(one, w.trunk), one)

	fails(t, trainIn(filepath.Join(w.dir, "absent"), w.trunk), "absent")

	trunk, err := os.ReadFile(w.trunk)
	if err != nil {
		t.Fatal(err)
	}
	fails(t, trainIn(w.pictures, write(filepath.Join(w.dir, "cut.safetensors"), trunk[:len(trunk)/2])), "cut.safetensors")
	bent := bytes.Replace(trunk, []byte(`"shape":[32,32,3,3]`), []byte(`"shape":[32,32,9,1]`), 1)
	if bytes.Equal(bent, trunk) {
		bent = bytes.Replace(trunk, []byte(`"shape":[16,16,3,3]`), []byte(`"shape":[16,16,9,1]`), 1)
	}
	if bytes.Equal(bent, trunk) {
		t.Fatal("found no tensor to bend")
	}
	fails(t, trainIn(w.pictures, write(filepath.Join(w.dir, "bent.safetensors"), bent)), "bent.safetensors", "weight")

	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed training left %s behind (%v)", out, err)
	}

	broken := write(filepath.Join(w.dir, "broken.jpg"), []byte("\xff\xd8\xff\xe0 no picture at all"))
	o := command(t, "predict", w.model, broken, "--json")
	if o.code != exitFailed || !strings.Contains(o.stdout, "broken.jpg") || !strings.Contains(o.stdout, `"error"`) {
		t.Errorf("predict of an unreadable picture: code %d, %q, %q", o.code, o.stdout, o.stderr)
	}
	fails(t, []string{"predict", w.model, broken}, "broken.jpg")
	fails(t, []string{"embed", broken, "--weights", w.trunk, "-o", filepath.Join(w.dir, "broken.npy")}, "broken.jpg")
	if _, err := os.Stat(filepath.Join(w.dir, "broken.npy")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed embed left its output behind (%v)", err)
	}

	// An unreadable picture among good ones is named and left out, and the run goes on.
	write(filepath.Join(w.pictures, draw.Label(0), "zz-broken.jpg"), []byte("\xff\xd8\xff\xe0 no picture at all"))
	var trained struct {
		Images   int
		Problems []problemJSON
	}
	must(t, &trained, "train", w.pictures, "--weights", w.trunk, "-o", filepath.Join(w.dir, "with-bad"), "--cache",
		filepath.Join(w.dir, "cache"), "--json")
	if trained.Images != 48 || len(trained.Problems) != 1 || !strings.Contains(trained.Problems[0].Path, "zz-broken.jpg") {
		t.Errorf("train with an unreadable picture: %+v", trained)
	}

	// A byte changed in any file of the model.
	for _, name := range []string{"model.json", "head.safetensors", "trunk.safetensors", "labels.txt", "metrics.json"} {
		path := filepath.Join(w.dir, "with-bad", name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(data)
		changed[len(changed)*2/3] ^= 1
		write(path, changed)
		fails(t, []string{"predict", filepath.Join(w.dir, "with-bad"), broken}, name)
		write(path, data)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"train"}, {"predict", "m"}, {"train", "d", "--no-such-flag"}, {"bench", "forward", "--batch", "0"},
		{"embed", "x.jpg"}, {"predict", "m", "x.jpg", "--top", "0"}, {"version", "--threads"},
	} {
		if o := command(t, args...); o.code != exitUsage || o.stderr == "" || o.stdout != "" {
			t.Errorf("rehead %s: code %d, stdout %q, stderr %q; want code 2 and a sentence on stderr", strings.Join(args, " "),
				o.code, o.stdout, o.stderr)
		}
	}
}

func TestBenchForward(t *testing.T) {
	var r map[string]any
	must(t, &r, "bench", "forward", "--weights", narrow(t, t.TempDir()), "--duration", "10ms", "--batch", "2", "--threads",
		"1", "--json")
	ms, _ := r["ms_per_image"].(map[string]any)
	for _, key := range []string{"min", "mean", "median", "p99"} {
		if v, _ := ms[key].(float64); !(v > 0) {
			t.Errorf("bench forward: ms_per_image.%s is %v", key, ms[key])
		}
	}
	if r["batch"] != 2.0 || r["threads"] != 1.0 || r["device"] != "cpu" {
		t.Errorf("bench forward: %v", r)
	}
}

func TestBenchTrain(t *testing.T) {
	var r benchmark.HeadReport
	must(t, &r, "bench", "train", "--rows", "60", "--features", "16", "--classes", "3", "--runs", "2", "--threads", "1",
		"--json")
	if !(r.MsPerImage.Median > 0) || r.Batch != 60 || r.Threads != 1 || !r.Converged {
		t.Errorf("bench train: %+v", r)
	}
	if o := command(t, "bench", "train", "--rows", "1"); o.code != exitUsage {
		t.Errorf("one row: exit code %d, want %d", o.code, exitUsage)
	}
}
