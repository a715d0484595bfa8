package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// TestKilledShardTrainingsEndAlike kills the program while it passes over shards, three times, each at a state
// of its own and a little later: the run that nobody kills goes on from the last of them and ends with the
// bytes of one that nobody killed.
func TestKilledShardTrainingsEndAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("trains some times in processes of their own")
	}
	dir := t.TempDir()
	trunk := narrow(t, dir)
	w, err := inception.ReadWeights(trunk)
	if err != nil {
		t.Fatal(err)
	}
	key, err := train.ShardKey(w, nil, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "shards")
	if err := os.Mkdir(made, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := benchmark.MadeUpShards(t.Context(), made, key, 3000, 20, func(int) {}); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asProgram, "1")
	args := func(name string) []string {
		return []string{"train", "--bottlenecks", made, "--weights", trunk, "-o", filepath.Join(dir, name), "--cache",
			filepath.Join(dir, "cache of "+name), "--memory", "68MB", "--checkpoint-every", "1ms", "--l2", "0.002"}
	}
	if out, err := process(t, nil, self, args("whole")...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	killed := worked{filepath.Join(dir, "cache of killed")}
	for kill := range 3 {
		last, left, hit := killed.state(), 2+kill, false
		out, err := process(t, func(p *os.Process, ended <-chan struct{}) {
			hit = until(ended, func() bool {
				if at := killed.state(); !at.Equal(last) {
					last = at
					left--
				}
				return left <= 0
			})
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			hit = p.Kill() == nil && hit
		}, self, args("killed")...)
		if !hit || err == nil {
			t.Fatalf("kill %d came too late: %v: %s", kill, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "killed")); err == nil || killed.state().IsZero() {
			t.Fatalf("kill %d: a model was there before the run was done, or no state (%v)", kill, err)
		}
	}
	if out, err := process(t, nil, self, args("killed")...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sameFiles(t, filepath.Join(dir, "killed"), filepath.Join(dir, "whole"))
	if left, _ := filepath.Glob(filepath.Join(killed.cache, "*.checkpoint*")); len(left) > 0 {
		t.Errorf("left behind by the last run: %v", left)
	}
}
