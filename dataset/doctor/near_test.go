package doctor

import (
	"bytes"
	"image"
	_ "image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/internal/draw"
)

// scene is a picture of waves on a coloured ground, which the seed chooses.
func scene(seed uint64) *image.NRGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	img := image.NewNRGBA(image.Rect(0, 0, 120, 90))
	ground := [3]float64{90 + 70*rng.Float64(), 90 + 70*rng.Float64(), 90 + 70*rng.Float64()}
	var waves [8][4]float64
	for i := range waves {
		waves[i] = [4]float64{rng.NormFloat64() * 12, rng.NormFloat64() * 12, 7 * rng.Float64(), 15 * rng.Float64()}
	}
	for y := range 90 {
		for x := range 120 {
			shade := 0.0
			for _, w := range waves {
				shade += w[3] * math.Sin(w[0]*float64(x)/120+w[1]*float64(y)/90+w[2])
			}
			at := img.PixOffset(x, y)
			copy(img.Pix[at:], []uint8{level(ground[0] + shade), level(ground[1] + shade), level(ground[2] + shade), 255})
		}
	}
	return img
}

// compared is a Checkup of fingerprints alone, all of one label.
func compared(prints ...fingerprint) *Checkup {
	c := &Checkup{folder: &dataset.Folder{Labels: []string{"a"}, Items: make([]dataset.Item, len(prints))}, prints: prints,
		pictures: make([]checked, len(prints)), repeats: make([]bool, len(prints)), bounds: []float64{maxDistance}}
	c.cfg.Workers = 2
	return c
}

// TestAlterations: a picture and each altered copy are nearly the same, it and another are not,
// whichever comes first.
func TestAlterations(t *testing.T) {
	for _, way := range draw.Alterations() {
		for seed := range uint64(3) {
			original := scene(seed)
			data, err := way.Apply(original)
			if err != nil {
				t.Fatal(err)
			}
			img, _, err := image.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			c := compared(newFingerprint(original, 1), newFingerprint(img, 1), newFingerprint(scene(seed+100), 1))
			pairs := []pair{{i: 0, j: 1}, {i: 0, j: 2}, {i: 1, j: 2}}
			if err := c.measure(t.Context(), pairs, c.bound); err != nil {
				t.Fatal(err)
			}
			if !c.alike(pairs[0]) || c.alike(pairs[1]) || c.alike(pairs[2]) {
				t.Errorf("%s, picture %d: got distances %.4f of the copy, %.4f and %.4f of others, bound %.4f", way.Name, seed,
					pairs[0].distance, pairs[1].distance, pairs[2].distance, maxDistance)
			}
			if mirrored := way.Name == "mirror"; pairs[0].mirrored != mirrored {
				t.Errorf("%s, picture %d: mirrored is %v", way.Name, seed, pairs[0].mirrored)
			}
		}
	}
}

// TestTinted: the same shapes in other colours are another picture.
func TestTinted(t *testing.T) {
	img := scene(3)
	other := image.NewNRGBA(img.Rect)
	for i := 0; i < len(img.Pix); i += 4 {
		l := level(0.299*float64(img.Pix[i]) + 0.587*float64(img.Pix[i+1]) + 0.114*float64(img.Pix[i+2]))
		copy(other.Pix[i:], []uint8{l - l/3, l, l / 2, 255})
		copy(img.Pix[i:], []uint8{l, l - l/3, l - l/4, 255})
	}
	c := compared(newFingerprint(img, 1), newFingerprint(other, 1), newFingerprint(img, 1))
	pairs := []pair{{i: 0, j: 1}, {i: 0, j: 2}}
	if err := c.measure(t.Context(), pairs, c.bound); err != nil {
		t.Fatal(err)
	}
	if c.alike(pairs[0]) || !c.alike(pairs[1]) {
		t.Errorf("got %+v, want the second alone to be alike", pairs)
	}
}

// TestGroupsAreComplete: no chain joins pictures that are not nearly the same.
func TestGroupsAreComplete(t *testing.T) {
	near := func(i, j int, distance float64) pair { return pair{i: i, j: j, distance: distance} }
	for _, test := range []struct {
		name  string
		pairs []pair
		late  [2]int // a pair that is found alike only when asked for
		want  [][]int
	}{
		{"a pair", []pair{near(1, 2, 0.01)}, [2]int{}, [][]int{{1, 2}}},
		{"a chain of three", []pair{near(0, 1, 0.01), near(1, 2, 0.02)}, [2]int{}, [][]int{{0, 1}}},
		{"the nearer first", []pair{near(0, 1, 0.02), near(1, 2, 0.01)}, [2]int{}, [][]int{{1, 2}}},
		{"all three", []pair{near(0, 1, 0.01), near(1, 2, 0.02), near(0, 2, 0.03)}, [2]int{}, [][]int{{0, 1, 2}}},
		{"a candidate that was not met", []pair{near(0, 1, 0.01), near(1, 2, 0.02)}, [2]int{0, 2}, [][]int{{0, 1, 2}}},
		{"a long chain", []pair{near(0, 1, 0.01), near(1, 2, 0.01), near(2, 3, 0.01), near(3, 4, 0.01), near(4, 5, 0.01)},
			[2]int{}, [][]int{{0, 1}, {2, 3}, {4, 5}}},
	} {
		c := compared(make([]fingerprint, 6)...)
		left := c.groups(test.pairs, func(p *pair) bool { return test.late != [2]int{} && [2]int{p.i, p.j} == test.late })
		var got [][]int
		for _, d := range c.duplicates(left) {
			got = append(got, d.items)
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// TestSurfaces: pictures of low contrast that differ in little are not glued together, in however
// many goroutines they are looked at.
func TestSurfaces(t *testing.T) {
	for _, kind := range []string{"plate", "part"} {
		root := t.TempDir()
		if err := draw.Surfaces(root, kind, 25, 4); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(root, "good", "0003.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(draw.Alterations(), func(a draw.Alteration) bool { return a.Name == "mirror" })
		if data, err = draw.Alterations()[at].Apply(img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "pit", "copy.jpg"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := dataset.Scan(root, dataset.ScanConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for _, workers := range []int{1, 3} {
			c, err := Check(t.Context(), f, Config{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.NearDuplicates) != 1 ||
				!slices.Equal(c.NearDuplicates[0].Images, []string{"good/0003.jpg", "pit/copy.jpg"}) {
				t.Errorf("%s: got %+v, want the copy and its original alone", kind, c.NearDuplicates)
			}
		}
	}
}
