//go:build (linux || darwin) && (amd64 || arm64)

package ort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/onnx"
)

func library(t *testing.T) *Library {
	t.Helper()
	l, err := Open(datatest.ONNXRuntime(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// chain is n convolutions of 16 channels over a picture of side pixels, and the options that run it.
func chain(t *testing.T, n, side int) ([]byte, Options) {
	t.Helper()
	const channels = 16
	shape := []int{channels, side, side}
	g := onnx.Graph{Inputs: []onnx.Value{{Name: "in", Shape: shape}}, Outputs: []onnx.Value{{Name: "out", Shape: shape}}}
	weights := make([]float32, channels*channels*9)
	for i := range weights {
		weights[i] = float32(i%7-3) / 64
	}
	g.Tensor("w", []int{channels, channels, 3, 3}, weights)
	from := "in"
	for i := range n {
		to := "out"
		if i < n-1 {
			to = "map" + strconv.Itoa(i)
		}
		g.Node("Conv", to, []string{from, "w"}, onnx.Ints("pads", 1, 1, 1, 1))
		from = to
	}
	var file bytes.Buffer
	if err := (onnx.File{Graph: &g}).Write(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), Options{Provider: CPU, Threads: 2, Input: Tensor{"in", shape}, Outputs: []Tensor{{"out", shape}}}
}

func session(t *testing.T, l *Library, n, side int) *Session {
	t.Helper()
	model, o := chain(t, n, side)
	s, err := l.NewSession(model, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNoLibrary(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "libonnxruntime.so")
	for path, want := range map[string]string{missing: missing, dir: "the folder " + dir + " has no libonnxruntime"} {
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pip install onnxruntime") {
			t.Errorf("%s: got %v, want that it is missing and what brings it", path, err)
		}
	}
}

// TestOtherLibrary opens a shared library that is another one.
func TestOtherLibrary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the other library is Linux's libc.so.6")
	}
	if _, err := Open("libc.so.6"); err == nil || !strings.Contains(err.Error(), "not ONNX Runtime's library") {
		t.Errorf("got %v, want that it is another library", err)
	}
}

// TestVersion asks the real library for versions that it does not have.
func TestVersion(t *testing.T) {
	l := library(t)
	if has, err := l.Has(CPU); err != nil || !has {
		t.Errorf("the CPU provider: got %v, %v, want that it is there", has, err)
	}
	want := fmt.Sprintf("is of version %s, want 1.1000 or later; pip install --upgrade", l.Version())
	if _, err := open(datatest.ONNXRuntime(t), 1000, 1000); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("an old library: got %v, want %q", err, want)
	}
	if _, err := l.table(1000); err == nil || !strings.Contains(err.Error(), "does not have version 1000") {
		t.Errorf("a version that the library refuses: got %v", err)
	}
	for version, want := range map[string]int{"1.32.0": 32, "1.18.1-dev": 18} {
		if got, err := apiOf(version); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", version, got, err, want)
		}
	}
	for _, version := range []string{"", "2.0.0", "1", "1.x"} {
		if _, err := apiOf(version); err == nil {
			t.Errorf("%q: no error", version)
		}
	}
}

// TestRefused: what the library refuses comes with its words.
func TestRefused(t *testing.T) {
	l := library(t)
	model, o := chain(t, 1, 5)
	var failure *Error
	if _, err := l.NewSession(model[:len(model)/2], o); !errors.As(err, &failure) ||
		failure.Call != "CreateSessionFromArray" || failure.Text == "" || failure.Version != l.Version() {
		t.Errorf("half a file: got %v, want the library's words", err)
	}
	if _, err := l.NewSession(nil, o); err == nil {
		t.Error("no file: no error")
	}
	o.Outputs[0].Name = "nothing"
	s, err := l.NewSession(model, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := make([]float32, 16*5*5)
	if err := s.Run(t.Context(), 1, in, [][]float32{make([]float32, len(in))}); !errors.As(err, &failure) {
		t.Errorf("an output that there is none of: got %v, want the library's words", err)
	}
}

// TestNoGPU asks for what only the library with providers for GPUs has, on whatever library there is.
func TestNoGPU(t *testing.T) {
	l := library(t)
	model, o := chain(t, 1, 5)
	for _, p := range []Provider{CUDA, TensorRT} {
		if has, err := l.Has(p); err != nil || has {
			t.Logf("%s: this library has it (%v)", p, err)
			continue
		}
		o.Provider = p
		var failure *Error
		if _, err := l.NewSession(model, o); !errors.As(err, &failure) {
			t.Errorf("%s: got %v, want the library's words", p, err)
		}
	}
}

// TestCancel ends a run of many steps in the middle.
func TestCancel(t *testing.T) {
	s := session(t, library(t), 150, 160)
	defer s.Close()
	in := make([]float32, 16*160*160)
	out := make([]float32, len(in))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := s.Run(ctx, 1, in, [][]float32{out}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v after %v, want that the time is over", err, time.Since(start))
	}
	cut := time.Since(start)
	start = time.Now()
	if err := s.Run(t.Context(), 1, in, [][]float32{out}); err != nil {
		t.Fatalf("the run after a cancelled one: %v", err)
	}
	whole := time.Since(start)
	t.Logf("cut after %v of %v", cut, whole)
	if cut > whole {
		t.Errorf("the cancelled run took %v, the whole one %v", cut, whole)
	}
	other, cancelOther := context.WithCancel(t.Context())
	cancelOther()
	if err := s.Run(other, 1, in, [][]float32{out}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: got %v", err)
	}
}

// TestGrowth opens and closes a hundred sessions, each running batches of several sizes, which take
// some 5 MB. The C library's heap grows by up to 20 MB in the first hundreds and then stays.
func TestGrowth(t *testing.T) {
	l := library(t)
	model, o := chain(t, 3, 60)
	in := make([]float32, 4*16*60*60)
	out := make([]float32, len(in))
	cycle := func() {
		s, err := l.NewSession(model, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{2, 1, 4} {
			if err := s.Run(t.Context(), n, in[:n*len(in)/4], [][]float32{out[:n*len(in)/4]}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 {
		cycle()
	}
	runtime.GC()
	before, threads := resident(t)
	for range 100 {
		cycle()
	}
	runtime.GC()
	after, more := resident(t)
	t.Logf("%d kB and %d threads before, %d kB and %d threads after", before, threads, after, more)
	if after > before+24<<10 || more > threads+4 {
		t.Errorf("a hundred sessions left %d kB and %d threads behind", after-before, more-threads)
	}
}

// resident is the memory of this process in kB, and its threads.
func resident(t *testing.T) (kB, threads int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not tell a process's memory: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); f[0] == "VmRSS:" {
			kB, _ = strconv.Atoi(f[1])
		} else if f[0] == "Threads:" {
			threads, _ = strconv.Atoi(f[1])
		}
	}
	return kB, threads
}
