package picture_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/datatest"
)

// TestAwkward holds Decode against what Pillow makes of pictures from the test suites of many
// libraries: what Pillow decodes is decoded to the same size or refused for a reason known here,
// what Pillow refuses is refused; nothing takes more than 300 MB.
func TestAwkward(t *testing.T) {
	dir := datatest.Shared(t, "data", "awkward")
	if picturetest.RaceEnabled {
		t.Skip("a minute of decoding that shares nothing, under the race detector")
	}
	known := map[string]string{ // refused here though Pillow decodes them
		"testimgari.jpg": "arithmetic",
		"xcsn0g01.png":   "checksum",
		"hopper.Lab.tif": "L*a*b*",
		// damaged
		"hopper_bad_exif.jpg": "a scan's data are no picture's", "crash_dc-predictor-overflow.jpg": "end too early",
		"crash_subtract-with-overflow.jpg": "end too early", "partial_progressive.jpg": "end too early",
	}
	decoded := map[string]bool{"png_decompression_dos.png": true} // its bomb is in a text chunk, which is not read
	manifest, err := os.Open(filepath.Join(dir, "MANIFEST.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manifest.Close() }()
	lines := bufio.NewScanner(manifest)
	lines.Scan()
	n := 0
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		name, pillow := fields[0], fields[len(fields)-1]
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		n++
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		img, info, err := picture.Decode(data, picture.Limits{})
		if err == nil {
			apply(t, picturetest.Recipe(64, picture.TF1Bilinear), img, info.Orientation)
		}
		runtime.ReadMemStats(&after)
		if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 300 {
			t.Errorf("%s: took %d MB", name, mb)
		}
		reason, refused := known[name]
		ok := strings.HasPrefix(pillow, "ok ") && !refused || decoded[name]
		if (err == nil) != ok {
			t.Errorf("%s: got %v, Pillow says %q", name, err, pillow)
		}
		if err != nil && !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want one that names %q", name, err, reason)
		}
		if err == nil && !decoded[name] {
			var w, h int
			if _, size, found := strings.Cut(pillow, "("); found {
				if _, err := fmt.Sscanf(size, "%d, %d", &w, &h); err != nil {
					t.Errorf("%s: manifest %q: %v", name, pillow, err)
				}
			}
			if name == "g4_orientation_6.tif" { // Pillow turns this one itself
				w, h = h, w
			}
			if w != info.Width || h != info.Height {
				t.Errorf("%s: got %dx%d, want %dx%d", name, info.Width, info.Height, w, h)
			}
		}
	}
	if n < 150 {
		t.Errorf("the manifest has %d pictures, want 150 or more", n)
	}
}

// TestFlowers: every photograph of a well-known data set is found and, one in ten, decoded.
func TestFlowers(t *testing.T) {
	f, err := dataset.Scan(datatest.Shared(t, "data", "flowers"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Labels) != 5 || len(f.Items) != 700 || len(f.Problems) != 0 {
		t.Errorf("got %q, %d photographs, problems %q; want 5 labels, 700 and none", f.Labels, len(f.Items), f.Problems)
	}
	for i := 0; i < len(f.Items); i += 10 {
		data, err := source.Read(f.Items[i].Path, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, info, err := picture.Decode(data, picture.Limits{}); err != nil || info.Format != "jpeg" {
			t.Errorf("%s: %+v, %v", f.Items[i].Path, info, err)
		}
	}
}

// TestReported: pictures in odd forms that people have show what they were made of.
func TestReported(t *testing.T) {
	dir := datatest.Shared(t, "reports")
	for name, plain := range map[string]string{
		"fillorder2-rgb.tif": "rgb.png", "fillorder2-gray.tif": "gray.png", "fillorder2-bit.tif": "bit.png",
		"planar-rgb.tif": "rgb.png", "rgb-4samples.tif": "rgb.png", "rgb-5samples.tif": "rgb.png",
		"lzw-noeoi.tif": "rgb.png", "lzw-ok.tif": "rgb.png",
		"crc-of-text.png": "rgb.png", "crc-of-time-after.png": "rgb.png", "extra-pixel-data.png": "rgb.png",
		"no-iend.png":             "rgb.png",
		"frame-beyond-canvas.gif": "pal.png", "no-canvas.gif": "pal.png", "too-much-data.gif": "pal.png",
		"bitfields-standard-masks.bmp": "rgb.png",
	} {
		show := func(name string) []float32 {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			img, _, err := picture.Decode(data, picture.Limits{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return nil
			}
			return apply(t, picturetest.Recipe(150, picture.TF1Bilinear), img, 1)
		}
		got, want := show(name), show(plain)
		if got != nil {
			picturetest.Near(t, got, want, 0)
		}
	}
}
