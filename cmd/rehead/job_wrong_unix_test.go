//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
	"github.com/c236555e/rehead/internal/draw"
)

// wrongJob runs a job that has to fail for the reason why, which its log names, and its failure file
// where one can be written.
func wrongJob(t *testing.T, l layout.Tree, why string) (log string) {
	t.Helper()
	p := startJob(t, l)
	err := p.Wait()
	log = strings.Join(strings.Fields(p.log.String()), " ")
	if err == nil || p.ProcessState.ExitCode() != exitFailed || !strings.Contains(log, why) {
		t.Errorf("got %v and the log %q, want exit code 1 and %q", err, log, why)
	}
	return log
}

// failure is what the job's failure file has.
func failure(t *testing.T, l layout.Tree) string {
	t.Helper()
	text, err := os.ReadFile(l.Failure())
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// A hyperparameter that is out of range or no number fails the job, whichever solver there is.
func TestJobHyperparametersUnderEachSolver(t *testing.T) {
	solvers := []string{"lbfgs", "sgd", "momentum", "adam", "retrain"}
	bad := map[string]string{"learning_rate": "-1", "learning-rate": "abc", "momentum": "2", "epochs": "many", "batch_size": "-3",
		"dropout": "1e3", "patience": "x", "how_many_training_steps": "-5", "checkpoint_every": "often"}
	if testing.Short() {
		solvers, bad = solvers[:1], map[string]string{"learning_rate": "-1"}
	}
	l := jobFolder(t, 2)
	for _, solver := range solvers {
		for name, value := range bad {
			settings, err := json.Marshal(map[string]string{"solver": solver, name: value})
			if err != nil {
				t.Fatal(err)
			}
			layouttest.Config(t, l, "hyperparameters.json", string(settings))
			reason := "hyperparameter \"" + strings.ReplaceAll(name, "-", "_") + "\""
			wrongJob(t, l, reason)
			if number, err := strconv.ParseFloat(value, 64); err == nil {
				value = fmt.Sprint(number)
			}
			if got := failure(t, l); !strings.Contains(got, reason) || !strings.Contains(got, value) {
				t.Errorf("%s under %s: the failure file is %q, want %s and the value %s", name, solver, got, reason, value)
			}
		}
	}
}

// A validation channel of the training channel's pictures is called that, by folders and by lists.
func TestJobValidatesOnItsTrainingPictures(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, l layout.Tree){
		"folders": func(t *testing.T, l layout.Tree) {
			if err := os.CopyFS(l.Data("validation"), os.DirFS(l.Data("train"))); err != nil {
				t.Fatal(err)
			}
		},
		"lists": func(t *testing.T, l layout.Tree) {
			if err := os.CopyFS(l.Data("validation"), os.DirFS(l.Data("train"))); err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"train", "validation"} {
				list, _, _ := lst(t, l.Data(part), l.Data(part))
				layouttest.Write(t, l, list, "input", "data", part+"_lst", part+".lst")
			}
		},
		"under other names": func(t *testing.T, l layout.Tree) {
			if err := os.CopyFS(l.Data("validation"), os.DirFS(l.Data("train"))); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(l.Data("validation"), "*", "*.jpg"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for i, f := range files {
				if err := os.Rename(f, filepath.Join(filepath.Dir(f), fmt.Sprintf("other-%03d.jpg", i))); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := jobFolder(t, 6)
			prepare(t, l)
			log := wrongJob(t, l, "copies of validation pictures")
			if strings.Contains(log, "add pictures") {
				t.Errorf("the log asks for more pictures: %s", log)
			}
			if got := failure(t, l); !strings.Contains(got, "copies of validation pictures") {
				t.Errorf("the failure file is %q", got)
			}
		})
	}
}

// Where the failure file cannot be written the log has the reason all the same, and that of an
// earlier run does not end the job.
func TestJobWithReadOnlyOutput(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, l layout.Tree) (why string){
		"a wrong setting": func(t *testing.T, l layout.Tree) string {
			layouttest.Config(t, l, "hyperparameters.json", `{"learning_rate":"abc"}`)
			return `got "abc", want a number`
		},
		"bad data": func(t *testing.T, l layout.Tree) string {
			for _, class := range []int{1, 2} {
				files, err := filepath.Glob(filepath.Join(l.Data("train"), draw.Label(class), "*"))
				if err != nil || len(files) == 0 {
					t.Fatal(files, err)
				}
				for _, f := range files {
					if err := os.WriteFile(f, []byte("no picture"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			return "want at least 2"
		},
		"nothing": func(*testing.T, layout.Tree) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			l := jobFolder(t, 8)
			why := spoil(t, l)
			layouttest.Write(t, l, "the reason of an earlier run", "output", "failure")
			readOnly(t, l.Path("output"))
			if why == "" {
				if p := startJob(t, l); p.Wait() != nil {
					t.Errorf("a job that has all it needs failed: %s", p.log.String())
				}
				return
			}
			log := wrongJob(t, l, "the reason is not in the failure file")
			if !strings.Contains(log, why) {
				t.Errorf("the log has no %q: %s", why, log)
			}
		})
	}
}

// A checkpoint folder with the state of a job of other classes is named, and changes nothing.
func TestJobWithCheckpointsOfAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process while it solves")
	}
	l := jobFolder(t, 30)
	if err := os.MkdirAll(l.Checkpoints(), 0o755); err != nil {
		t.Fatal(err)
	}
	layouttest.Config(t, l, "hyperparameters.json",
		`{"solver":"adam","epochs":"100000","patience":"-1","checkpoint_every":"10ms"}`)
	p := startJob(t, l)
	found := func() (states []string) {
		states, _ = filepath.Glob(filepath.Join(l.Checkpoints(), "*", "*.checkpoint"))
		return states
	}
	for deadline := time.Now().Add(2 * time.Minute); len(found()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no state of the solver within two minutes")
		}
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	state := found()
	if err := os.RemoveAll(filepath.Join(l.Data("train"), draw.Label(2))); err != nil { // now two classes
		t.Fatal(err)
	}
	layouttest.Config(t, l, "hyperparameters.json", `{}`)
	again := startJob(t, l)
	if err := again.Wait(); err != nil {
		t.Fatalf("%v: %s", err, again.log.String())
	}
	log := strings.Join(strings.Fields(again.log.String()), " ")
	if !strings.Contains(log, "is the state of another job") || !strings.Contains(log, filepath.Base(state[0])) {
		t.Errorf("the log does not name %s: %s", state[0], log)
	}
	if left := found(); len(left) != 1 {
		t.Errorf("the states are %v, want that of the other job left alone", left)
	}
}
