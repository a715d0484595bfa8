package dataset_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

// BenchmarkManifestMillion reads a list of 1,000,000 pictures of 100 labels, each a file of its own
// name, and says how many seconds it took, of the clock and of processors, and what the process held
// at most, in millions of bytes:
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
	debug.FreeOSMemory()                                      // what making the files took
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // forget the most that was held so far, where there is such
	began := processorSeconds()
	for b.Loop() {
		f, err := dataset.ReadManifest(list.Name(), dataset.ManifestConfig{})
		if err != nil || len(f.Items) != labels*each || len(f.Labels) != labels {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/million")
	b.ReportMetric((processorSeconds()-began)/float64(b.N), "cpu-s/million")
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		if kb, err := strconv.Atoi(strings.Fields(rest)[0]); err == nil {
			b.ReportMetric(float64(kb)*1024/1e6, "MB-held")
		}
	}
}

// processorSeconds is what Linux says that the process used of its processors, in user code and
// system calls; 0 elsewhere.
func processorSeconds() (seconds float64) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	for _, ticks := range strings.Fields(rest)[11:13] {
		n, err := strconv.ParseFloat(ticks, 64)
		if err != nil {
			return 0
		}
		seconds += n / 100
	}
	return seconds
}
