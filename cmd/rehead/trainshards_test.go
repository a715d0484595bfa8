package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestShards: pictures become shards, which are kept when they are whole; a model trained on them answers,
// is the same when it is trained again, and what has no meaning is refused.
func TestShards(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.dir, "shards")
	embed := []string{"embed", w.pictures, "--weights", w.trunk, "--shards", dir, "--shard-rows", "20", "--json"}
	var wrote shardSummary
	must(t, &wrote, embed...)
	if wrote.Images != 48 || wrote.Shards != 3 || wrote.Kept != 0 || wrote.Missing != 0 {
		t.Fatalf("got %+v, want 48 pictures in 3 shards", wrote)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(files) != 3 {
		t.Fatalf("got %q, %v", files, err)
	}
	before, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[1], before[:len(before)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, &wrote, embed...)
	if wrote.Kept != 2 || wrote.Shards != 3 || wrote.Images != 48 {
		t.Errorf("a shard cut short: got %+v, want 2 of 3 kept", wrote)
	}
	if after, err := os.ReadFile(files[1]); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the shard made again is another, or none: %v", err)
	}
	fails(t, []string{"embed", w.pictures, "--weights", w.trunk, "--shards", dir, "--shard-rows", "30"}, "is not of these pictures")

	var models [2][]byte
	for i, name := range []string{"one", "two"} {
		model := filepath.Join(w.dir, name)
		var trained map[string]any
		must(t, &trained, "train", "--bottlenecks", dir, "--weights", w.trunk, "-o", model, "--json", "--test", "0.3")
		if trained["images"] != 48.0 {
			t.Errorf("got %v pictures, want 48", trained["images"])
		}
		if models[i], err = os.ReadFile(filepath.Join(model, "head.safetensors")); err != nil {
			t.Fatal(err)
		}
		must(t, nil, "predict", model, w.pictures)
	}
	if !bytes.Equal(models[0], models[1]) {
		t.Error("two runs on the same shards gave two heads")
	}
	searched := filepath.Join(w.dir, "searched")
	must(t, nil, "train", "--bottlenecks", dir, "--weights", w.trunk, "-o", searched, "--l2", "auto", "--unknown", "0.3",
		"--validation", "0.3")
	type tried struct {
		L2   float64
		Loss float64 `json:"validation_log_loss"`
	}
	var chosen struct {
		Head     struct{ Unknown *json.RawMessage }
		Training struct {
			L2     float64
			Search []tried `json:"l2_search"`
		}
	}
	if text, err := os.ReadFile(filepath.Join(searched, "model.json")); err != nil || json.Unmarshal(text, &chosen) != nil {
		t.Fatal(err)
	}
	least := slices.MinFunc(chosen.Training.Search, func(a, b tried) int { return cmp.Compare(a.Loss, b.Loss) })
	if chosen.Head.Unknown == nil || len(chosen.Training.Search) < 2 || least.L2 != chosen.Training.L2 {
		t.Errorf("got %+v, want a line for unknown pictures and the L2 of the least loss", chosen)
	}
	if o := command(t, "inspect", searched); !strings.Contains(o.stdout, "by the validation part") {
		t.Errorf("nothing is said of a search: %s", o.stdout)
	}
	fails(t, []string{"train", "--bottlenecks", dir, "--weights", "random:0.03", "-o", filepath.Join(w.dir, "x")}, "of the trunk")
	fails(t, []string{"train", "--bottlenecks", w.pictures, "--weights", w.trunk}, "has no .safetensors file")
	if o := command(t, "train", "--bottlenecks", dir, "--weights", w.trunk, "--l2", "auto", "--validation", "0"); o.code != exitUsage ||
		!strings.Contains(o.stderr, "--l2: is to be searched for (auto), and there is no validation part") {
		t.Errorf("a search without a validation part: exit code %d, %s", o.code, o.stderr)
	}
	for _, args := range [][]string{
		{"embed", w.pictures, "--weights", w.trunk, "--shards", dir, "-o", "x.npy"},
		{"train", "--bottlenecks", dir, "--weights", w.trunk, "--views", "2"},
		{"train", "--bottlenecks", dir, "--weights", w.trunk, "--l2", "auto", "--scaling", "auto"},
		{"train", "--bottlenecks", dir, "--weights", w.trunk, "--unknown", "0.6"},
		{"train", "--bottlenecks", dir, "--weights", w.trunk, "--memory", "much"},
	} {
		if o := command(t, args...); o.code != exitUsage {
			t.Errorf("rehead %q: exit code %d, want %d; %s", args, o.code, exitUsage, o.stderr)
		}
	}
}
