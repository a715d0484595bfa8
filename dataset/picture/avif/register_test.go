//go:build nodynamic

package avif

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
)

func TestMain(m *testing.M) {
	if err := Register(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// shown is a picture upright, on white, its pixels as they are: [3,40,40], black around them.
func shown(t *testing.T, file string) ([]float32, picture.Info) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	r := picture.Recipe{Size: 40, Geometry: picture.Pad, Filter: picture.PillowNearest, Orient: true,
		Std: [3]float32{1, 1, 1}}
	out := make([]float32, 3*40*40)
	info, err := r.Load(data, picture.Limits{}, out)
	if err != nil {
		t.Fatal(err)
	}
	return out, info
}

// TestDecode holds the pixels to what Pillow shows of the fixtures, which testdata/make.py made: the
// same but for rounding of alpha and of more than 8 bits. Chroma of half the size is blended here
// and repeated by Pillow's libyuv, which differs at the edge that is drawn.
func TestDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/*.png")
	if err != nil || len(files) != 13 {
		t.Fatalf("got %d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".png")
		t.Run(name, func(t *testing.T) {
			got, info := shown(t, name)
			want, _ := shown(t, name+".png")
			if info.Format != "avif" {
				t.Errorf("got format %q", info.Format)
			}
			var most, sum float64
			for i, v := range got {
				d := math.Abs(float64(v - want[i]))
				most, sum = max(most, d), sum+d
			}
			mean := sum / (3 * 40 * 24)
			limit, average := 0., 0.
			switch name {
			case "alpha.avif", "deep.avif":
				limit, average = 3, 0.7
			case "halved.avif", "frames.avif":
				limit, average = 61, 5
			}
			if !(most <= limit && mean <= average) {
				t.Errorf("at most %.0f levels off, %.2f on average, want %.0f and %.2f", most, mean, limit, average)
			}
		})
	}
}

// TestRefuses: what is wrong with a file is said, and no cut of one decodes or panics.
func TestRefuses(t *testing.T) {
	whole, err := os.ReadFile("testdata/plain.avif")
	if err != nil {
		t.Fatal(err)
	}
	for n := 32; n < len(whole); n += 16 {
		if _, _, err := picture.Decode(whole[:n], picture.Limits{}); err == nil {
			t.Errorf("the first %d of %d bytes: got no error", n, len(whole))
		}
	}
	var large *picture.TooLargeError
	// 64 bytes a pixel where the limit reckons with 12
	if _, _, err := picture.Decode(whole, picture.Limits{MaxPixels: 40 * 24 * 5}); !errors.As(err, &large) {
		t.Errorf("beyond the limit: got %v", err)
	}
	damaged := bytes.Clone(whole)
	clear(damaged[len(damaged)/2:])
	if _, _, err := picture.Decode(damaged, picture.Limits{}); err == nil {
		t.Error("damaged pixels: got no error")
	}
	sequence := []byte("\x00\x00\x00\x10ftypavis\x00\x00\x00\x00\x00\x00\x00\x08moov")
	if _, _, err := picture.Decode(sequence, picture.Limits{}); !errors.Is(err, picture.ErrUnsupported) {
		t.Errorf("a sequence: got %v", err)
	}
}

// TestContext: decoding returns when its context has ended, and a decoder that goes on keeps its
// turn.
func TestContext(t *testing.T) {
	release, started := make(chan struct{}), make(chan struct{}, 2)
	decode := sandboxed(func(io.Reader) (image.Image, error) {
		started <- struct{}{}
		<-release
		return nil, io.ErrUnexpectedEOF
	}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := decode(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := decode(ctx, nil); !errors.Is(err, context.Canceled) { // no turn is free
		t.Errorf("got %v", err)
	}
	close(release)
	if _, err := decode(t.Context(), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	crash := sandboxed(func(io.Reader) (image.Image, error) { panic("of the decoder") }, 1)
	if _, err := crash(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "of the decoder") {
		t.Errorf("got %v", err)
	}
}
