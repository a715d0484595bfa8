package jpeg

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
)

// files reads those of testdata that match.
func files(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s, %v", pattern, err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		if all[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestSamplings holds pictures that image/jpeg refuses to what libjpeg-turbo made of them, which is
// another inverse DCT away.
func TestSamplings(t *testing.T) {
	pictures := files(t, "sampling-*.jpg")
	pictures["narrow.jpg"] = files(t, "narrow.jpg")["narrow.jpg"]
	for name, data := range pictures {
		got, err := Decode(t.Context(), data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := jpeg.Decode(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: image/jpeg reads it: the test tests nothing", name)
		}
		reference := strings.TrimSuffix(name, "jpg") + "png"
		want, err := png.Decode(bytes.NewReader(files(t, reference)[reference]))
		if err != nil {
			t.Fatal(err)
		}
		if worst := apart(got, want); worst > 4 {
			t.Errorf("%s: off by %d levels, want 4 at most", name, worst)
		}
	}
}

// apart returns by how many levels two pictures differ at most; 256 where they have other sizes.
func apart(a, b image.Image) int {
	if a.Bounds() != b.Bounds() {
		return 256
	}
	worst := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			for _, pair := range [][2]uint32{{ar, br}, {ag, bg}, {ab, bb}} {
				difference := int(pair[0]>>8) - int(pair[1]>>8)
				worst = max(worst, difference, -difference)
			}
		}
	}
	return worst
}

// TestFractions: a sampling that libjpeg refuses too, three samples to two.
func TestFractions(t *testing.T) {
	data := layout{width: 50, height: 30, sampling: []uint8{0x32, 0x21, 0x11}, marker: markSOF0,
		rich: 10}.encode(rand.New(rand.NewPCG(1, 2)))
	if img, err := Decode(t.Context(), data); err != nil || img.Bounds() != image.Rect(0, 0, 50, 30) {
		t.Errorf("got %v", err)
	}
}

// TestProgressive: image/jpeg's pixels, and none where bytes are missing.
func TestProgressive(t *testing.T) {
	for name, data := range files(t, "progressive-*.jpg") {
		want, err := jpeg.Decode(bytes.NewReader(data))
		if name == "progressive-422-restart.jpg" { // image/jpeg does not count blocks of one component
			if err == nil {
				t.Errorf("%s: image/jpeg reads it now: hold it to that", name)
			}
			reference := strings.TrimSuffix(name, "jpg") + "png"
			if want, err = png.Decode(bytes.NewReader(files(t, reference)[reference])); err != nil {
				t.Fatal(err)
			}
			if got, err := Decode(t.Context(), data); err != nil || apart(got, want) > 4 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for kind, kernel := range transforms {
			if got, _, err := decodeWith(data, kernel); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: another picture than image/jpeg's, %v", name, kind, err)
			}
		}
		for cut := range len(data) - 2 {
			if got, err := Decode(t.Context(), data[:cut]); err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: decoded although cut from %d to %d bytes", name, len(data), cut)
			}
		}
		if got, err := Decode(t.Context(), data[:len(data)-2]); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: without its end marker: %v", name, err)
		}
	}
}

// TestMissing: what a file may lack, and what it may not.
func TestMissing(t *testing.T) {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, image.NewGray(image.Rect(0, 0, 40, 24)), nil); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	want, err := Decode(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	var head []byte // without its Huffman tables, which are the standard's
	at := 2
	for whole[at+1] != markSOS {
		n := 2 + int(whole[at+2])<<8 + int(whole[at+3])
		if whole[at+1] != markDHT {
			head = append(head, whole[at:at+n]...)
		}
		at += n
	}
	bare := slices.Concat(whole[:2], head, whole[at:])
	for name, data := range map[string][]byte{"end marker": whole[:len(whole)-2], "tables": bare} {
		if got, err := Decode(t.Context(), data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := Decode(t.Context(), whole[:len(whole)-8]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without pixels: %v", err)
	}
}

// TestScansAreBounded: scans that say nothing cost time all the same.
func TestScansAreBounded(t *testing.T) {
	data := files(t, "progressive-grey.jpg")["progressive-grey.jpg"]
	mark := []byte{0xff, markSOS}
	first := bytes.Index(data, mark)
	second := first + 2 + bytes.Index(data[first+2:], mark)
	body := bytes.Clone(data[:first])
	for range maxScans {
		body = append(body, data[first:second]...)
	}
	body = append(body, data[first:]...)
	var unsupported UnsupportedError
	if _, err := Decode(t.Context(), body); !errors.As(err, &unsupported) {
		t.Errorf("%d scans: got %v", maxScans, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Decode(ended, data); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

// progressive returns the photographs as jpegtran makes them progressive.
func progressive(t testing.TB, every int) [][]byte {
	tool, err := exec.LookPath("jpegtran")
	if err != nil {
		t.Skipf("needs libjpeg-turbo's jpegtran: %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(datatest.Shared(t, "data", "flowers"), "*", "*.jpg"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d photographs, %v", len(paths), err)
	}
	var all [][]byte
	for i := 0; i < len(paths); i += every {
		data, err := exec.Command(tool, "-progressive", paths[i]).Output()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

func TestProgressivePhotographs(t *testing.T) {
	for i, data := range progressive(t, 20) {
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if got, odd, err := decodeWith(data, best); err != nil || odd || !reflect.DeepEqual(got, want) {
			t.Errorf("photograph %d: another picture than image/jpeg's, %v", 20*i, err)
		}
	}
}

// BenchmarkProgressive takes photographs of 0.05 to 0.25 megapixel; an iteration is one photograph.
func BenchmarkProgressive(b *testing.B) {
	photographs := progressive(b, 10)
	b.Run("image/jpeg", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := jpeg.Decode(bytes.NewReader(photographs[i%len(photographs)])); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("own", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := Decode(b.Context(), photographs[i%len(photographs)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
