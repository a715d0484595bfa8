package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
)

// binary builds the real rehead.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rehead")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}

// process runs the real binary; stop, unless nil, is to end it at a moment of its choice, and hears
// when it has ended by itself.
func process(t *testing.T, stop func(p *os.Process, ended <-chan struct{}), path string,
	args ...string) (string, error) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if stop != nil {
			stop(cmd.Process, ended)
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-done
	return stderr.String(), err
}

// sameFiles compares two model folders, byte for byte.
func sameFiles(t *testing.T, got, want string) {
	t.Helper()
	files, err := os.ReadDir(want)
	if err != nil || len(files) < 5 {
		t.Fatalf("model folder: %v, %v", files, err)
	}
	for _, f := range files {
		one, err1 := os.ReadFile(filepath.Join(got, f.Name()))
		two, err2 := os.ReadFile(filepath.Join(want, f.Name()))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, two) {
			t.Errorf("%s differs from that of the run that nobody stopped", f.Name())
		}
	}
}

// until waits for a moment of a process's work; false when it ended before.
func until(ended <-chan struct{}, moment func() bool) bool {
	for !moment() {
		select {
		case <-ended:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

// worked counts what a run has left behind in its cache: bytes of bottlenecks, and the last version
// of the solver's state.
type worked struct{ cache string }

func (w worked) bytes() (total int64) {
	files, _ := filepath.Glob(filepath.Join(w.cache, "*"))
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && !strings.Contains(filepath.Base(path), "checkpoint") {
			total += info.Size()
		}
	}
	return total
}

func (w worked) state() (at time.Time) {
	files, _ := filepath.Glob(filepath.Join(w.cache, "*.checkpoint"))
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			at = info.ModTime()
		}
	}
	return at
}

// TestKilledRunsEndAlike kills the real binary at ten random moments of a training, five while
// pictures are embedded and five while the head is searched and solved for, each time going on from
// where it was: the last run ends with the model that an undisturbed run makes, byte for byte. The
// moments are told by what the run has written, not by the clock, so that each is hit. Of two more
// runs one is stopped by SIGTERM, says so and goes on.
func TestKilledRunsEndAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary and trains a dozen times")
	}
	dir := t.TempDir()
	rehead, trunk := binary(t), narrow(t, dir)
	pictures := filepath.Join(dir, "pictures")
	if err := draw.Folder(pictures, 4, 30, 9); err != nil {
		t.Fatal(err)
	}
	args := func(name string) []string {
		return []string{
			"train", pictures, "--weights", trunk, "-o", filepath.Join(dir, name), "--cache",
			filepath.Join(dir, "cache of "+name), "--seed", "4",
			"--solver", "adam", "--epochs", "400", "--patience", "-1", "--l2", "auto", "--scaling", "auto",
			"--augment", "flip,crop=0.1", "--views", "1", "--checkpoint-every", "10ms",
		}
	}
	if out, err := process(t, nil, rehead, args("whole")...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole, killed := worked{filepath.Join(dir, "cache of whole")}, worked{filepath.Join(dir, "cache of killed")}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	const embedding, solving = 5, 5
	over := false
	for kill := range embedding + solving {
		moment, told := func() bool { return false }, ""
		if kill < embedding { // in the next fifth of the cache
			bytes := int64((float64(kill) + 0.1 + 0.8*rng.Float64()) / embedding * float64(whole.bytes()))
			moment, told = func() bool { return killed.bytes() >= bytes }, fmt.Sprintf("once the cache has %d bytes", bytes)
		} else { // after some more states, and a little later
			last, left, pause := killed.state(), 1+rng.IntN(3), time.Duration(rng.IntN(20))*time.Millisecond
			told = fmt.Sprintf("%v after %d states", pause, left)
			moment = func() bool {
				if at := killed.state(); !at.Equal(last) {
					last = at
					left--
				}
				if left > 0 {
					return false
				}
				time.Sleep(pause)
				return true
			}
		}
		hit := false
		out, err := process(t, func(p *os.Process, ended <-chan struct{}) {
			hit = until(ended, moment) && p.Kill() == nil
		}, rehead, args("killed")...)
		if over = err == nil && kill > embedding; over {
			break // a busy machine woke the killer after the run's end: it was the last one
		}
		if !hit || err == nil {
			t.Fatalf("kill %d of seed %d, %s, came too late: %v: %s", kill, seed, told, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "killed")); err == nil {
			t.Fatalf("kill %d of seed %d, %s: a model was there before the run was done", kill, seed, told)
		}
	}
	if !over {
		if out, err := process(t, nil, rehead, args("killed")...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	sameFiles(t, filepath.Join(dir, "killed"), filepath.Join(dir, "whole"))
	for _, pattern := range []string{"cache of killed/*.checkpoint*", ".rehead-tmp-*/model.json"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("left behind by the last run: %v", left)
		}
	}
	if runtime.GOOS == "windows" {
		return // there a process cannot be asked to stop
	}
	asked := worked{filepath.Join(dir, "cache of asked")}
	out, err := process(t, func(p *os.Process, ended <-chan struct{}) { // when it solves for the head
		if until(ended, func() bool { return !asked.state().IsZero() }) {
			_ = p.Signal(syscall.SIGTERM)
		}
	}, rehead, args("asked")...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(out, "interrupted") ||
		!strings.Contains(out, ".checkpoint") {
		t.Errorf("at SIGTERM: got %v and %q, want exit code 1 and the checkpoint's name", err, out)
	}
	if out, err := process(t, nil, rehead, args("asked")...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sameFiles(t, filepath.Join(dir, "asked"), filepath.Join(dir, "whole"))
}

// TestAddingPicturesEmbedsOnlyThem adds 50 pictures to a folder that was trained on.
func TestAddingPicturesEmbedsOnlyThem(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir := t.TempDir()
	trunk, pictures := narrow(t, dir), filepath.Join(dir, "pictures")
	if err := draw.Folder(pictures, 2, 40, 1); err != nil {
		t.Fatal(err)
	}
	train := []string{"train", pictures, "--weights", trunk, "--cache", filepath.Join(dir, "cache"), "--json", "-o"}
	var trained map[string]any
	must(t, &trained, append(train, filepath.Join(dir, "first"))...)
	if trained["embedded"] != 80.0 {
		t.Fatalf("embedded %v, want 80", trained["embedded"])
	}
	more := filepath.Join(dir, "more")
	if err := draw.Folder(more, 2, 25, 2); err != nil {
		t.Fatal(err)
	}
	labels, err := os.ReadDir(more)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range labels {
		files, err := os.ReadDir(filepath.Join(more, l.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Rename(filepath.Join(more, l.Name(), f.Name()),
				filepath.Join(pictures, l.Name(), "new-"+f.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	must(t, &trained, append(train, filepath.Join(dir, "second"), "--warm-start", filepath.Join(dir, "first"))...)
	if trained["embedded"] != 50.0 || trained["cached"] != 80.0 {
		t.Errorf("embedded %v, cached %v; want 50 and 80", trained["embedded"], trained["cached"])
	}
}

// seedOf is the seed of the model at a path, which must be there, whole.
func seedOf(t *testing.T, path string) uint64 {
	t.Helper()
	m, err := inception.OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	return m.Seed
}

// TestKilledSavesLeaveAModel kills the real binary while it saves over a model, in a folder of its
// own and in one that is a mount point: the old model or the new one is there, whole, and what the
// killed ones left is gone after the next run.
func TestKilledSavesLeaveAModel(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary and trains a dozen times")
	}
	root := t.TempDir()
	rehead, trunk := binary(t), narrow(t, root)
	pictures := filepath.Join(root, "pictures")
	if err := draw.Folder(pictures, 3, 12, 9); err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"folder":      func(*testing.T, string) {},
		"mount point": mountPoint,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			prepare(t, dir)
			run := func(seed uint64, stop func(p *os.Process, ended <-chan struct{})) (string, error) {
				return process(t, stop, rehead, "train", pictures, "--weights", trunk, "-o", dir, "--seed", fmt.Sprint(seed),
					"--cache", filepath.Join(root, "cache"))
			}
			if out, err := run(0, nil); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			before, kills, replaced := uint64(0), 0, 0
			for seed := uint64(1); seed <= 8; seed++ {
				pause, left := time.Duration((seed-1)*(seed-1)*2)*time.Millisecond, halfSaved(dir)
				out, err := run(seed, func(p *os.Process, ended <-chan struct{}) {
					if until(ended, func() bool {
						return slices.ContainsFunc(writing(dir), func(path string) bool { return !slices.Contains(left, path) })
					}) {
						time.Sleep(pause)
						_ = p.Kill()
					}
				})
				got := seedOf(t, dir)
				switch {
				case got != before && got != seed:
					t.Fatalf("killed %v into the saving of seed %d: the model is of seed %d, want %d or %d: %s", pause, seed, got,
						before, seed, out)
				case err == nil && got != seed:
					t.Fatalf("not killed: the model is of seed %d, want %d: %s", got, seed, out)
				case err != nil:
					kills++
				}
				if got == seed {
					replaced++
				}
				before = got
			}
			t.Logf("%d runs were killed while they saved, %d models replaced", kills, replaced)
			if kills < 3 {
				t.Errorf("only %d of 8 runs were killed while they saved", kills)
			}
			old := time.Now().Add(-2 * time.Hour)
			for _, path := range halfSaved(dir) { // what has lost its lock is removed when it is old
				if err := os.Chtimes(path, old, old); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := run(99, nil); err != nil || seedOf(t, dir) != 99 {
				t.Fatalf("the last run: %v: %s", err, out)
			}
			if left := halfSaved(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// halfSaved are the folders of models that are being saved to dir, or were when they were killed.
func halfSaved(dir string) (folders []string) {
	for _, around := range []string{filepath.Dir(dir), dir} {
		list, _ := filepath.Glob(filepath.Join(around, ".rehead-tmp-*"))
		folders = append(folders, list...)
	}
	return folders
}

// writing are those of them in which something is written.
func writing(dir string) []string {
	return slices.DeleteFunc(halfSaved(dir), func(path string) bool {
		_, err := os.Stat(filepath.Join(path, "head.safetensors"))
		return err != nil
	})
}
