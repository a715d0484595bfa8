package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
	"github.com/c236555e/rehead/dataset/draw"
)

// inContainer runs a command line as the service does, below base.
func inContainer(t *testing.T, base string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, getenv: func(name string) string {
		return map[string]string{"SAGEMAKER_BASE_DIR": base, "TRAINING_JOB_NAME": "job"}[name]
	}}
	code := run(t.Context(), a, args)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestTrainingJob(t *testing.T) {
	base := t.TempDir()
	l := sagemaker.Layout(base)
	if err := draw.Folder(l.Data("training"), 3, 12, 5); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{l.Data("weights"), l.Path("input", "config"), l.Model(), l.Checkpoints()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	narrow(t, l.Data("weights"))
	configure := func(values map[string]string) {
		t.Helper()
		data, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(l.Path("input", "config", "hyperparameters.json"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	configure(map[string]string{"learning_rte": "0.1"})
	o := inContainer(t, base, "train")
	reason, err := os.ReadFile(l.Failure())
	if o.code == exitDone || err != nil || !strings.Contains(string(reason), `did you mean "learning_rate"`) {
		t.Fatalf("an unknown hyperparameter: code %d, failure file %q, %v", o.code, reason, err)
	}
	if left, err := os.ReadDir(l.Model()); err != nil || len(left) != 0 {
		t.Fatalf("a failed job left %v in the model folder (%v)", left, err)
	}
	if err := os.Remove(l.Failure()); err != nil {
		t.Fatal(err)
	}

	configure(map[string]string{"seed": "7", "epochs": "30", "testing_percentage": "20", "no_trunk": "False", "_tuning_objective_metric": "validation:accuracy"})
	for _, args := range [][]string{{"train"}, nil} { // by name, and with no argument at all
		if o = inContainer(t, base, args...); o.code != exitDone {
			t.Fatalf("rehead %v: code %d: %s", args, o.code, o.stderr)
		}
		for _, want := range []string{"train:accuracy=", "validation:accuracy=", "Epoch[0] Validation-accuracy=", "epochs=30 changes nothing"} {
			if !strings.Contains(o.stderr, want) {
				t.Errorf("rehead %v: the log has no %q:\n%s", args, want, o.stderr)
			}
		}
	}
	if _, err := os.Stat(l.Failure()); err == nil {
		t.Error("a job that succeeded left a failure file")
	}
	if cached, err := os.ReadDir(filepath.Join(l.Checkpoints(), "bottlenecks")); err != nil || len(cached) == 0 {
		t.Errorf("no bottlenecks among the checkpoints: %v, %v", cached, err)
	}
	var card modelCard
	must(t, &card, "inspect", l.Model(), "--json")
	if card.Seed != 7 || card.Split.Test != 0.2 {
		t.Errorf("the model has seed %d and test share %g, want 7 and 0.2", card.Seed, card.Split.Test)
	}

	env := map[string]string{"SAGEMAKER_BASE_DIR": base, "SAGEMAKER_BIND_TO_PORT": "0"}
	addr, stop := serveWith(t, env, "serve")
	data, err := os.ReadFile(filepath.Join(l.Data("training"), draw.Label(0), "0001.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Predictions []struct{ Label string } }
	port := addr[strings.LastIndexByte(addr, ':'):]
	if status := post(t, "http://127.0.0.1"+port+"/invocations", "application/x-image", data, &answer); status != http.StatusOK || len(answer.Predictions) != 3 {
		t.Errorf("invocations: status %d, %v", status, answer)
	}
	if o := stop(); o.code != exitDone {
		t.Errorf("serve ended with code %d: %s", o.code, o.stderr)
	}
}

func TestTrainingJobRefusals(t *testing.T) {
	write := func(l sagemaker.Layout, name, text string) {
		t.Helper()
		if err := os.MkdirAll(l.Path("input", "config"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(l.Path("input", "config", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ file, text, want string }{
		"several hosts": {"resourceconfig.json", `{"current_host":"algo-1","hosts":["algo-1","algo-2"]}`, "InstanceCount"},
		"pipe mode":     {"inputdataconfig.json", `{"train":{"TrainingInputMode":"Pipe"}}`, "FastFile"},
		"no channel":    {"inputdataconfig.json", `{"validation":{"TrainingInputMode":"File"}}`, "no channel named train"},
	} {
		t.Run(name, func(t *testing.T) {
			l := sagemaker.Layout(t.TempDir())
			write(l, c.file, c.text)
			o := inContainer(t, string(l), "train")
			reason, err := os.ReadFile(l.Failure())
			if o.code != exitFailed || err != nil || !strings.Contains(string(reason), c.want) || !strings.Contains(o.stderr, c.want) {
				t.Errorf("code %d, failure file %q, log %q (%v); want %q", o.code, reason, o.stderr, err, c.want)
			}
		})
	}
	// Without a job around it, train without a folder is bad usage.
	if o := inContainer(t, filepath.Join(t.TempDir(), "absent"), "train"); o.code != exitUsage {
		t.Errorf("train without a folder: code %d, %s", o.code, o.stderr)
	}
}
