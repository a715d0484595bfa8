package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/train"
)

// asCommand makes the test's own binary the command.
const asCommand = "REHEAD_BEAM_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		os.Exit(0)
	}
	if err := follow(); err != nil {
		panic(err)
	}
	flag.Parse()
	beam.Init()
	os.Exit(m.Run())
}

// drawn is a folder of three labels of n pictures each.
func drawn(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "drawn")
	if err := draw.Folder(dir, 3, n, 1); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ran runs a job on prism in this process.
func ran(t *testing.T, out string, args ...string) *summary {
	t.Helper()
	s, err := tried(t, out, args...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tried(t *testing.T, out string, args ...string) (*summary, error) {
	t.Helper()
	set := flag.NewFlagSet("rehead-beam", flag.ContinueOnError)
	j, o := flags(set)
	rest, err := parse(set, append([]string{"--output", out, "--json", "--weights", "random:0.05"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	if j.Sources = rest; j.Model != "" {
		j.Weights = ""
	}
	if err := j.check(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	err = run(context.Background(), j, o, &said)
	s := &summary{}
	if e := json.Unmarshal(said.Bytes(), s); e != nil {
		return nil, errors.Join(err, e)
	}
	return s, err
}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, data []byte, elem ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(elem...), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// written are the shards of a folder, and their bytes.
func written(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, partPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, path := range list {
		out[filepath.Base(path)] = string(read(t, path))
	}
	return out
}

// TestShards: the shards hold what the trunk says of the pictures, in their order, with their labels; what
// cannot be read is listed; another run keeps what is finished and makes what is not.
func TestShards(t *testing.T) {
	dir, out := drawn(t, 8), filepath.Join(t.TempDir(), "out")
	bad := filepath.Join(dir, draw.Label(0), "0003.jpg")
	good := read(t, bad)
	write(t, []byte("\xff\xd8\xff\xe0 no picture"), bad)
	write(t, []byte("words"), dir, draw.Label(1), "notes.txt")
	s := ran(t, out, "--shard", "5", dir)
	if s.Pictures != 24 || s.Rows != 23 || s.Dead != 1 || s.LeftOut != 1 || s.Written != 5 || s.Kept != 0 || len(s.Shards) != 5 {
		t.Errorf("got %+v, want 23 rows of 24 pictures in 5 shards", s)
	}
	dead := string(read(t, out, deadFile))
	if lines := strings.Split(dead, "\n"); len(lines) != 4 || !strings.HasPrefix(dead, "path,error\n") ||
		!strings.Contains(dead, bad+",") || !strings.Contains(dead, "notes.txt,is not a picture") {
		t.Errorf("dead letters: got %q", dead)
	}
	compare(t, dir, out)

	before := written(t, out)
	if s = ran(t, out, "--shard", "5", dir); s.Kept != 5 || s.Written != 0 || s.Dead != 1 || s.LeftOut != 1 {
		t.Errorf("again: got %+v, want all kept", s)
	}
	lost := slices.Sorted(maps.Keys(before))[2]
	if err := os.Remove(filepath.Join(out, lost)); err != nil {
		t.Fatal(err)
	}
	if s = ran(t, out, "--shard", "5", dir); s.Kept != 4 || s.Written != 1 || !maps.Equal(written(t, out), before) {
		t.Errorf("a shard was lost: got %+v, want it made again as it was", s)
	}
	if s = ran(t, out, "--shard", "5", "--retry", dir); s.Kept != 4 || s.Written != 1 || !maps.Equal(written(t, out), before) {
		t.Errorf("--retry: got %+v, want the shard with the dead letter made again", s)
	}

	write(t, good, bad) // and so the shard has another name
	if s = ran(t, out, "--shard", "5", dir); s.Kept != 4 || s.Written != 1 || s.Rows != 24 || s.Dead != 0 || len(s.Others) != 1 {
		t.Errorf("a mended picture: got %+v, want one shard made and one of another picture", s)
	}
	if s = ran(t, out, "--shard", "5", "--prune", dir); s.Kept != 5 || s.Removed != 1 || len(written(t, out)) != 5 {
		t.Errorf("--prune: got %+v and %d shards, want 5", s, len(written(t, out)))
	}
	compare(t, dir, out)
}

// compare holds shards to what training's own way makes of a folder.
func compare(t *testing.T, dir, out string) {
	t.Helper()
	places, err := shards.Find(out)
	if err != nil {
		t.Fatal(err)
	}
	set, err := shards.OpenSet(t.Context(), places)
	if err != nil {
		t.Fatal(err)
	}
	j := &Job{Sources: []string{dir}, Weights: "random:0.05", Rows: 1 << 20}
	e, err := engineOf(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	l, err := j.list("")
	if err != nil {
		t.Fatal(err)
	}
	at := folder{t.TempDir()}
	write(t, l.text, at.path(l.parts[0].List))
	rows, err := l.parts[0].rows(at)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]byte
	var labels []string
	w, err := (&Job{Weights: "random:0.05"}).weights(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = train.EmbedEach(t.Context(), len(rows), w, train.EmbedConfig{},
		func(i int) ([]byte, error) { return os.ReadFile(rows[i].Path) },
		func(i int, row []float32, err error) error {
			if err != nil {
				return nil //nolint:nilerr // has no row there either
			}
			var half []byte
			for _, v := range row {
				h, _ := safetensors.Half(v)
				half = append(half, byte(h), byte(h>>8))
			}
			want, labels = append(want, half), append(labels, rows[i].Cell())
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if set.Rows != len(want) || set.Key != e.key || len(set.Labels) != 3 {
		t.Fatalf("got %d rows of %+v, labels %q; want %d of %+v, three labels", set.Rows, set.Key, set.Labels, len(want), e.key)
	}
	err = set.Each(t.Context(), shards.Stream{}, func(b *shards.Block) error {
		defer b.Release()
		for i := range b.Len() {
			width := 2 * set.Key.Features
			if at := b.First + i; !bytes.Equal(b.Features[i*width:][:width], want[at]) || set.Labels[b.Labels[i]] != labels[at] {
				return fmt.Errorf("row %d: the bottleneck or the label %s is another", at, set.Labels[b.Labels[i]])
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestKilled kills the process of a job, workers and runner, once it has finished a shard: the next run
// keeps that, and ends with the shards of a run that nobody stopped.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two runs of 90 pictures")
	}
	dir, whole, cut := drawn(t, 30), filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "cut")
	args := []string{"--shard", "3", "--weights", "random:0.3", dir}
	ran(t, whole, args...)
	cmd := exec.Command(os.Args[0], append([]string{"--output", cut}, args...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if list, _ := filepath.Glob(filepath.Join(cut, workFolder, partPrefix+"*")); len(list) > 0 {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the job ended before it was killed: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("the job was done before it was killed")
	}
	if _, err := os.Stat(filepath.Join(cut, summaryFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the job was done before it was killed: %v", err)
	}
	s := ran(t, cut, args...)
	if s.Kept < 1 || s.Written < 1 || s.Kept+s.Written != 30 {
		t.Errorf("got %d kept and %d written, want 30 together", s.Kept, s.Written)
	}
	if !maps.Equal(written(t, whole), written(t, cut)) {
		t.Error("the shards differ from those of a run that was not stopped")
	}
}

// TestNothing: a job that comes to nothing is an error that says why.
func TestNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, []byte("\xff\xd8\xff\xe0 no picture"), dir, "1.jpg")
	if s, err := tried(t, t.TempDir(), dir); err == nil || !strings.Contains(err.Error(), "none of 1 picture") || s.Dead != 1 {
		t.Errorf("no picture can be read: got %+v, %v", s, err)
	}
	if _, err := tried(t, t.TempDir(), filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "none: no such file or directory (--verbose") {
		t.Errorf("no such folder: got %v", err)
	}
}
