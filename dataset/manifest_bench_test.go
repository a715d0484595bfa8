package dataset_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

// BenchmarkManifestMillion reads a list of 1,000,000 pictures of 100 labels, each a file of its own
// name, and says how many seconds it took and what the process held at most:
//
//	go test -run NONE -bench ManifestMillion -benchtime 1x ./dataset
func BenchmarkManifestMillion(b *testing.B) {
	const labels, each = 100, 10_000
	root := b.TempDir()
	list, err := os.Create(filepath.Join(root, "list.csv"))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(list)
	fmt.Fprintln(w, "image,label")
	for l := range labels {
		dir := filepath.Join(root, "images", fmt.Sprintf("class%03d", l))
		first := filepath.Join(dir, "000000.png")
		picturetest.Write(b, first, picturetest.Encode(b, "png", picturetest.Noise(3, 2, uint64(l))))
		for i := range each {
			if name := fmt.Sprintf("%06d.png", i); i > 0 {
				if err := os.Link(first, filepath.Join(dir, name)); err != nil {
					b.Fatal(err)
				}
			}
			fmt.Fprintf(w, "images/class%03d/%06d.png,class%03[1]d\n", l, i)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := list.Close(); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // forget the most that was held so far, where there is such
	for b.Loop() {
		f, err := dataset.ReadManifest(list.Name(), dataset.ManifestConfig{})
		if err != nil || len(f.Items) != labels*each || len(f.Labels) != labels {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/million")
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		if kb, err := strconv.Atoi(strings.Fields(rest)[0]); err == nil {
			b.ReportMetric(float64(kb)/1024, "MB-held")
		}
	}
}
