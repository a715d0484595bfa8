package main

import (
	"bufio"
	"bytes"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
)

// many is the number that the environment asks for, else a smaller one.
func many(t *testing.T, name string, otherwise int) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil && os.Getenv(name) != "" {
		t.Fatalf("%s: got %q, want a number", name, os.Getenv(name))
	}
	return max(n, otherwise)
}

// labelling runs the real binary, kills it when the file has so many bytes (never for a negative
// number), and returns its peak memory in MB.
func labelling(t *testing.T, file string, bytesThen int64, rehead string, args ...string) float64 {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(rehead, args...)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, killed, peak, looks := make(chan struct{}), make(chan bool), 0.0, 0
	go func() {
		killed <- until(ended, func() bool {
			if looks++; looks%32 == 1 {
				peak = max(peak, peakOf(cmd.Process.Pid))
			}
			info, err := os.Stat(file)
			return bytesThen >= 0 && err == nil && info.Size() >= bytesThen
		}) && cmd.Process.Kill() == nil
	}()
	err := cmd.Wait()
	close(ended)
	if hit := <-killed; hit != (bytesThen >= 0) || !hit && err != nil {
		t.Fatalf("killed %t at %d bytes of %s, %v: %s", hit, bytesThen, file, err, stderr.String())
	}
	return peak
}

// peakOf is a process's peak memory in MB: the Maxrss of its end counts what it was forked from,
// too.
func peakOf(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.Atoi(kb)
	return float64(n) / 1024
}

// TestManyPictures labels a folder, killing the real binary three times and starting it again: the
// answers are those of a run that nobody stopped, byte for byte, and memory does not grow with the
// pictures. REHEAD_PICTURES=20000 and REHEAD_LINES=1000000 make it a folder and a list of that
// size; go test ./cmd/rehead -run ManyPictures -v prints what it took.
func TestManyPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary and labels hundreds of pictures")
	}
	pictures, lines := many(t, "REHEAD_PICTURES", 300), many(t, "REHEAD_LINES", 3000)
	dir := t.TempDir()
	rehead, model, folder := binary(t), filepath.Join(dir, "model"), filepath.Join(dir, "pictures")
	w, err := inception.Random(inception.RandomConfig{Width: 0.125, Size: 75, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(filepath.Join(dir, "trunk.safetensors"), "f32"); err != nil {
		t.Fatal(err)
	}
	if err := draw.Folder(filepath.Join(dir, "labels"), 3, 8, 5); err != nil {
		t.Fatal(err)
	}
	must(t, nil, "train", filepath.Join(dir, "labels"), "--weights", filepath.Join(dir, "trunk.safetensors"), "-o", model,
		"--cache", "none", "--no-report")
	drawMany(t, folder, pictures)
	for _, format := range []string{"csv", "jsonl"} {
		whole, cut := filepath.Join(dir, "whole."+format), filepath.Join(dir, "cut."+format)
		peak := labelling(t, whole, -1, rehead, "predict", model, folder, "-o", whole)
		want, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 1))
		for kill := range 3 {
			at := int64((float64(kill) + 0.1 + 0.8*rng.Float64()) / 3 * float64(len(want)))
			labelling(t, cut, at, rehead, "predict", model, folder, "-o", cut)
		}
		again := labelling(t, cut, -1, rehead, "predict", model, folder, "-o", cut)
		got, err := os.ReadFile(cut)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, seed %d: %v; %d bytes after three kills, %d of a run that nobody stopped, and they differ", format,
				seed, err, len(got), len(want))
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*"+unfinished)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		t.Logf("%d pictures as %s: peak %.0f MB, of the last run after three kills %.0f MB", pictures, format, peak, again)
		wantPeak(t, max(peak, again))
	}
	list, answers := filepath.Join(dir, "list.txt"), filepath.Join(dir, "answers.csv")
	if err := os.WriteFile(list, listOf(folder, lines, pictures), 0o644); err != nil {
		t.Fatal(err)
	}
	peak := labelling(t, answers, -1, rehead, "predict", model, list, "-o", answers, "--top", "1")
	if n := rowsOf(t, answers); n != lines+1 {
		t.Errorf("got %d rows, want %d and a header", n, lines)
	}
	t.Logf("%d lines of a list: peak %.0f MB", lines, peak)
	wantPeak(t, peak)
}

func wantPeak(t *testing.T, mb float64) {
	t.Helper()
	if mb > 400 {
		t.Errorf("peak memory %.0f MB, want at most 400", mb)
	}
}

// drawMany makes n small pictures, 1,000 in a folder, each of the first 300 again and again.
func drawMany(t *testing.T, dir string, n int) {
	t.Helper()
	drawn := make([][]byte, min(n, 300))
	for i := range n {
		if i < len(drawn) {
			var buf bytes.Buffer
			if err := png.Encode(&buf, draw.Picture(i%3, i, 11)); err != nil {
				t.Fatal(err)
			}
			drawn[i] = buf.Bytes()
		}
		path := filepath.Join(dir, fmt.Sprintf("%05d", i/1000), fmt.Sprintf("%07d.png", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, drawn[i%len(drawn)], 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// listOf names the first pictures of the folder again and again.
func listOf(folder string, lines, pictures int) []byte {
	var b bytes.Buffer
	for i := range lines {
		fmt.Fprintln(&b, filepath.Join(folder, "00000", fmt.Sprintf("%07d.png", i%min(pictures, 1000))))
	}
	return b.Bytes()
}

func rowsOf(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	for s := bufio.NewScanner(f); s.Scan(); n++ {
	}
	return n
}
