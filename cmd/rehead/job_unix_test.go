//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
)

// jobProcess is a `rehead train` of its own below base.
type jobProcess struct {
	*exec.Cmd
	log bytes.Buffer
}

func startJob(t *testing.T, l layout.Tree, env ...string) *jobProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &jobProcess{Cmd: exec.CommandContext(t.Context(), self, "train")}
	p.Env = append([]string{asProgram + "=1", "SAGEMAKER_BASE_DIR=" + string(l), "TRAINING_JOB_NAME=job",
		"TMPDIR=" + t.TempDir(), "HOME=" + t.TempDir()}, env...)
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// modelBytes are the files of a model folder.
func modelBytes(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[filepath.Base(path)] = string(data)
		return err
	})
	if err != nil || len(files) < 5 {
		t.Fatalf("model folder %s: %d files, %v", dir, len(files), err)
	}
	return files
}

// cached waits until the job has some bottlenecks among its checkpoints, and some of what every block says, which
// are written in turn.
func cached(t *testing.T, l layout.Tree) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(l.Checkpoints(), "bottlenecks", "*.bottlenecks"))
		if err != nil {
			t.Fatal(err)
		}
		full := 0
		for _, f := range files {
			if info, err := os.Stat(f); err == nil && info.Size() > 20_000 { // some records of 512 floats
				full++
			}
		}
		if full == 2 {
			return
		}
	}
	t.Fatal("no bottlenecks among the checkpoints within a minute")
}

// Contract 6, 7, 8: a job is stopped or killed while it embeds; the same job again goes on from its
// checkpoints, and its model has the bytes of one that was never disturbed.
func TestJobResumes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes for some seconds")
	}
	const perLabel = 50
	settings := `{"batch":"1","threads":"1"}`
	calm := jobFolder(t, perLabel)
	layouttest.Config(t, calm, "hyperparameters.json", settings)
	trained(t, calm)
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			l := jobFolder(t, perLabel)
			layouttest.Config(t, l, "hyperparameters.json", settings)
			if err := os.MkdirAll(l.Checkpoints(), 0o755); err != nil {
				t.Fatal(err)
			}
			p := startJob(t, l)
			cached(t, l)
			sent := time.Now()
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err := p.Wait()
			took := time.Since(sent)
			if err == nil {
				t.Fatalf("the job was done before the signal came: %s", p.log.String())
			}
			if sig == unix.SIGTERM {
				t.Logf("%v from SIGTERM to the end", took)
				if p.ProcessState.ExitCode() != exitFailed || took > 30*time.Second ||
					!strings.Contains(p.log.String(), "goes on from there") {
					t.Errorf("code %d after %v, log %q", p.ProcessState.ExitCode(), took, p.log.String())
				}
				if _, err := os.Stat(l.Failure()); err == nil {
					t.Error("a stopped job left a failure file")
				}
			}
			if left, err := os.ReadDir(l.Model()); err != nil || len(left) != 0 {
				t.Errorf("left %v in the model folder (%v)", left, err)
			}
			again := startJob(t, l)
			if err := again.Wait(); err != nil {
				t.Fatalf("%v: %s", err, again.log.String())
			}
			var computed, found int
			i := strings.Index(again.log.String(), " bottlenecks computed")
			line := again.log.String()[strings.LastIndexByte(again.log.String()[:max(i, 0)], '\n')+1:]
			if _, err := fmt.Sscanf(line, "%d bottlenecks computed, %d from the cache", &computed, &found); err != nil ||
				found == 0 || computed+found != 3*perLabel {
				t.Errorf("%d computed, %d from the cache (%v), want some of %d from the cache:\n%s", computed, found, err,
					3*perLabel, again.log.String())
			}
			if !maps.Equal(modelBytes(t, l.Model()), modelBytes(t, calm.Model())) {
				t.Error("the model differs from that of a job that was not disturbed")
			}
		})
	}
}

// Contract 12, 22: Pipe mode, where the channel is RecordIO or an augmented manifest.
func TestJobPipes(t *testing.T) {
	for name, about := range map[string]string{
		"RecordIO objects":   `{"train":{"TrainingInputMode":"Pipe","ContentType":"application/x-recordio"},"weights":{}}`,
		"augmented manifest": `{"train":{"TrainingInputMode":"Pipe","RecordWrapperType":"RecordIO"},"weights":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			l := jobFolder(t, 8)
			_, pictures, classes := lst(t, l.Data("train"), l.Data("train"))
			stream := recordIO(t, pictures, classes)
			if name == "augmented manifest" {
				stream = ""
				for i, p := range pictures {
					stream += record(p) + record([]byte(fmt.Sprint(classes[i])))
				}
			}
			if err := os.RemoveAll(l.Data("train")); err != nil {
				t.Fatal(err)
			}
			pipe := l.Data("train") + "_0"
			if err := unix.Mkfifo(pipe, 0o600); err != nil {
				t.Skip(err)
			}
			layouttest.Config(t, l, "inputdataconfig.json", about)
			wrote := make(chan error, 1)
			go func() { wrote <- os.WriteFile(pipe, []byte(stream), 0) }()
			card, _ := trained(t, l)
			if len(card.Labels) != 3 || card.Labels[2] != "2" {
				t.Errorf("labels %q", card.Labels)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
		})
	}
}

// record wraps bytes as the service does.
func record(data []byte) string {
	n := len(data)
	return "\x0a\x23\xd7\xce" + string([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0}) + string(data) +
		strings.Repeat("\x00", -n&3)
}
