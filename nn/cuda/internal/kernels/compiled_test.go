package kernels

import (
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "compile the kernels and write them down")

// clang compiles the kernels of a precision.
func clang(t *testing.T, source string) []byte {
	t.Helper()
	path, err := exec.LookPath("clang-19")
	if err != nil {
		t.Skip("there is no clang-19 to compile the kernels with (Debian: clang-19)")
	}
	c := exec.Command(path, "-x", "cuda", "--cuda-device-only", "--cuda-gpu-arch=sm_80", "--cuda-feature=+ptx70",
		"-nocudainc", "-nocudalib", "-O3", "-Wall", "-Werror", "-S", "-o", "-", source)
	var complaints bytes.Buffer
	c.Stderr = &complaints
	ptx, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", c, err, &complaints)
	}
	return ptx
}

// TestCompiled compares the committed kernels with what the compiler makes of their sources.
func TestCompiled(t *testing.T) {
	for _, p := range Precisions() {
		want := clang(t, p.Name+".cu")
		if *update {
			var b bytes.Buffer
			z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
			if err != nil {
				t.Fatal(err)
			}
			z.Write(want)
			z.Close()
			if err := os.WriteFile(p.Name+".ptx.gz", b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := PTX(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s.ptx.gz is not what clang-19 makes of %[1]s.cu: run go generate ./nn/cuda/internal/kernels", p.Name)
		}
	}
}

// TestNothingOfAToolkit holds the kernels to what every driver since CUDA 11 takes, and to registers
// and arrays that stay on chip.
func TestNothingOfAToolkit(t *testing.T) {
	for _, p := range Precisions() {
		ptx, err := PTX(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{".version 7.0\n", ".target sm_80\n"} {
			if !strings.Contains(string(ptx), line) {
				t.Errorf("%s: got no %q", p.Name, line)
			}
		}
		for _, word := range []string{".local", ".extern", "call", "__nv_"} {
			if strings.Contains(string(ptx), word) {
				t.Errorf("%s: got %q, want none", p.Name, word)
			}
		}
	}
}
