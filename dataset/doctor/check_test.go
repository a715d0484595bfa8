package doctor_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/draw"
)

func check(t testing.TB, root string, cfg doctor.Config) *doctor.Checkup {
	t.Helper()
	f, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := doctor.Check(t.Context(), f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// finding returns the first Finding with a code.
func finding(c *doctor.Checkup, code string) (doctor.Finding, bool) {
	i := slices.IndexFunc(c.Findings, func(f doctor.Finding) bool { return f.Code == code })
	if i < 0 {
		return doctor.Finding{}, false
	}
	return c.Findings[i], true
}

func TestCheckFindings(t *testing.T) {
	root := t.TempDir()
	if err := draw.Folder(root, 3, 25, 1); err != nil {
		t.Fatal(err)
	}
	first, second := filepath.Join(root, draw.Label(0)), filepath.Join(root, draw.Label(1))
	pic := picturetest.Encode(t, "png", picturetest.Noise(60, 50, 3))
	picturetest.Write(t, filepath.Join(root, "tiny", "a.png"), pic)
	picturetest.Write(t, filepath.Join(root, "Tiny ", "b.png"), picturetest.Encode(t, "png", picturetest.Noise(61, 50, 4)))
	picturetest.Write(t, filepath.Join(first, "cut.png"), pic[:len(pic)/2])
	picturetest.Write(t, filepath.Join(first, "heic.jpg"), []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"))
	picturetest.Write(t, filepath.Join(first, "small.png"), picturetest.Encode(t, "png", picturetest.Noise(9, 40, 5)))
	picturetest.Write(t, filepath.Join(first, "long.png"), picturetest.Encode(t, "png", picturetest.Noise(640, 40, 6)))
	picturetest.Write(t, filepath.Join(first, "turned.png"),
		picturetest.WithEXIF(picturetest.Encode(t, "png", picturetest.Noise(50, 80, 7)), 6))
	flat := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range flat.Pix {
		flat.Pix[i] = 99 + uint8(i%3)
	}
	picturetest.Write(t, filepath.Join(first, "grey.png"), picturetest.Encode(t, "png", flat))
	picturetest.Write(t, filepath.Join(second, "copy.png"), picturetest.Encode(t, "png", picturetest.Noise(640, 40, 6)))
	deep := image.NewGray16(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		binary.BigEndian.PutUint16(deep.Pix[2*i:], uint16(i))
	}
	picturetest.Write(t, filepath.Join(first, "deep.png"), picturetest.Encode(t, "png", deep))
	c := check(t, root, doctor.Config{MinImages: 10, MaxImbalance: 5})
	for _, want := range []struct {
		code, image, word string
		count             int
	}{
		{doctor.CodeUnreadable, draw.Label(0) + "/cut.png", "1 picture", 1},
		{doctor.CodeLeftOut, filepath.Join(first, "heic.jpg"), "left out", 1},
		{doctor.CodeSmall, draw.Label(0) + "/small.png", "below 32", 1},
		{doctor.CodeNarrow, draw.Label(0) + "/deep.png", "4095 of 65535", 1},
		{doctor.CodeAspect, draw.Label(0) + "/long.png", "5 times", 2},
		{doctor.CodeFeatureless, draw.Label(0) + "/grey.png", "one shade", 1},
		{doctor.CodeSameAcross, draw.Label(0) + "/long.png", "several labels", 1},
		{doctor.CodeTinyLabel, "", "tiny", 1},
		{doctor.CodeTinyLabel, "", "iny", 1},
		{doctor.CodeSimilar, "", `"Tiny "`, 2},
		{doctor.CodeImbalance, "", "1 pictures", 1},
	} {
		f, ok := finding(c, want.code)
		if !ok {
			t.Errorf("%s is missing in %+v", want.code, c.Findings)
			continue
		}
		if f.Count != want.count || !strings.Contains(strings.ToLower(f.Message), strings.ToLower(want.word)) ||
			want.image != "" && !slices.Contains(f.Images, want.image) {
			t.Errorf("%s: got %+v, want %d, a message with %q, image %q", want.code, f, want.count, want.word, want.image)
		}
	}
	if !c.Trainable {
		t.Error("not trainable")
	}
	if c.Images != 75+9 || c.Readable != c.Images-1 || c.Rotated != 1 || len(c.Problems) != 2 ||
		c.Formats["png"] != 15+8 || c.Formats["jpeg"] != 60 {
		t.Errorf("got images %d, readable %d, rotated %d, problems %q, formats %v", c.Images, c.Readable, c.Rotated,
			c.Problems, c.Formats)
	}
	if c.Width.Min != 9 || c.Width.Max != 640 || c.Height.Min != 40 {
		t.Errorf("got width %+v, height %+v", c.Width, c.Height)
	}
	if !(c.Cost.DecodeSeconds > 0) || c.Cost.CacheBytes < int64(c.Readable-1)*8192 ||
		c.Cost.MemoryBytes < int64(c.Readable)*8192 {
		t.Errorf("got cost %+v", c.Cost)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"trainable":true`, `"near_duplicates":[`, `"disagreements":[]`, `"findings":[{"severity":`, `"decode_seconds":`, `"cost":{`} {
		if !bytes.Contains(text, []byte(key)) {
			t.Errorf("no %s in %s", key, text)
		}
	}
}

func TestCheckFatal(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
	for _, name := range []string{"1.png", "2.png"} {
		data, err := os.ReadFile(filepath.Join(root, "b", name))
		if err != nil {
			t.Fatal(err)
		}
		picturetest.Write(t, filepath.Join(root, "b", name), data[:40])
	}
	c := check(t, root, doctor.Config{})
	if f, ok := finding(c, doctor.CodeEmptyLabel); !ok || f.Label != "b" || f.Severity != doctor.Fatal || c.Trainable {
		t.Errorf("got %+v", c.Findings)
	}
	if _, ok := finding(c, doctor.CodeFewLabels); !ok {
		t.Errorf("got %+v", c.Findings)
	}
}

func TestCheckStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, err := dataset.Scan(picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png", "b/2.png"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = doctor.Check(ctx, f, doctor.Config{Memory: 1, Progress: func(int, int) { cancel() }, Workers: 2})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := doctor.Check(t.Context(), f, doctor.Config{Workers: -1}); err == nil {
		t.Error("negative workers accepted")
	}
	if _, err := doctor.Check(t.Context(), f, doctor.Config{Recipe: &picture.Recipe{}}); err == nil {
		t.Error("an empty recipe accepted")
	}
}

// copies are the ways in which pictures come to lie in a folder twice.
var copies = []struct {
	name string
	make func(t testing.TB, img image.Image) []byte
}{
	{"quality 60", func(t testing.TB, img image.Image) []byte { return asJPEG(t, img, 60) }},
	{"half size", func(t testing.TB, img image.Image) []byte {
		return asJPEG(t, imaging.Resize(img, img.Bounds().Dx()/2, 0, imaging.Lanczos), 85)
	}},
	{"brighter", func(t testing.TB, img image.Image) []byte { return asJPEG(t, imaging.AdjustBrightness(img, 7), 90) }},
	{"4 % cut", func(t testing.TB, img image.Image) []byte {
		b := img.Bounds()
		return asJPEG(t, imaging.CropCenter(img, b.Dx()*96/100, b.Dy()*96/100), 90)
	}},
	{"mirrored", func(t testing.TB, img image.Image) []byte { return asJPEG(t, imaging.FlipH(img), 90) }},
	{"turned by EXIF", func(t testing.TB, img image.Image) []byte {
		return picturetest.WithEXIF(asJPEG(t, imaging.Rotate90(img), 90), 6)
	}},
	{"png", func(t testing.TB, img image.Image) []byte { return picturetest.Encode(t, "png", img) }},
}

func asJPEG(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// plant writes altered copies of n pictures of the folder f under other labels of root, and returns
// original and copy by Rel.
func plant(t testing.TB, f *dataset.Folder, root string, n int) map[string]string {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 5))
	planted := map[string]string{}
	for k, i := range rng.Perm(len(f.Items))[:n] {
		it := f.Items[i]
		data, err := os.ReadFile(it.Path)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := picture.Decode(data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		label := f.Labels[(it.Label+1+rng.IntN(len(f.Labels)-1))%len(f.Labels)]
		rel := fmt.Sprintf("%s/planted-%02d-%s.jpg", label, k, strings.ReplaceAll(copies[k%len(copies)].name, " ", "-"))
		picturetest.Write(t, filepath.Join(root, filepath.FromSlash(rel)), copies[k%len(copies)].make(t, img))
		planted[it.Rel] = rel
	}
	return planted
}

// score compares found groups with what was planted.
func score(t testing.TB, c *doctor.Checkup, planted map[string]string) (precision, recall float64) {
	t.Helper()
	hit, wrong := map[string]bool{}, 0
	for _, group := range c.NearDuplicates {
		right := false
		for _, rel := range group.Images {
			if to, ok := planted[rel]; ok && slices.Contains(group.Images, to) {
				right, hit[rel] = true, true
			}
		}
		if !right {
			wrong++
			t.Logf("not planted: %v at %.4f", group.Images, group.Distance)
		}
	}
	for rel, to := range planted {
		if !hit[rel] {
			t.Logf("missed: %s and %s", rel, to)
		}
	}
	return float64(len(hit)) / float64(max(1, len(hit)+wrong)), float64(len(hit)) / float64(len(planted))
}

// TestNearDuplicates plants 20 altered copies across labels of drawn pictures, which resemble each
// other more than photographs do.
func TestNearDuplicates(t *testing.T) {
	root := t.TempDir()
	if err := draw.Folder(root, 5, 24, 3); err != nil {
		t.Fatal(err)
	}
	f, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	planted := plant(t, f, root, 20)
	c := check(t, root, doctor.Config{})
	precision, recall := score(t, c, planted)
	t.Logf("precision %.2f, recall %.2f", precision, recall)
	if !(precision >= 0.8) || !(recall >= 0.9) {
		t.Errorf("got precision %.2f, recall %.2f", precision, recall)
	}
	if f, ok := finding(c, doctor.CodeNearAcross); !ok || f.Count < 16 {
		t.Errorf("got %+v", f)
	}
	// The groups by the first rule are part of the models that were split by it: these never
	// change.
	if f, err = dataset.Scan(root, dataset.ScanConfig{}); err != nil {
		t.Fatal(err)
	}
	first := ""
	for _, group := range c.FirstNear() {
		var images []string
		for _, i := range group {
			images = append(images, f.Items[i].Rel)
		}
		first += fmt.Sprintln(images)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(first)))[:16]; sum != "edda1f81d3b6f2ba" {
		t.Errorf("the groups by the first rule changed: got digest %s of\n%s", sum, first)
	}
}

// TestNearDuplicatesFlowers does the same among real photographs.
func TestNearDuplicatesFlowers(t *testing.T) {
	if testing.Short() || picturetest.RaceEnabled {
		t.Skip("decodes 700 photographs: too slow here")
	}
	f, err := dataset.Scan(datatest.Shared(t, "data", "flowers"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	planted := plant(t, f, root, 20)
	for _, it := range f.Items {
		data, err := os.ReadFile(it.Path)
		if err != nil {
			t.Fatal(err)
		}
		picturetest.Write(t, filepath.Join(root, filepath.FromSlash(it.Rel)), data)
	}
	c := check(t, root, doctor.Config{})
	precision, recall := score(t, c, planted)
	t.Logf("%d groups, precision %.2f, recall %.2f; %.0f pictures a second", len(c.NearDuplicates), precision, recall,
		c.Cost.ImagesPerSecond)
	if !(precision >= 0.9) || !(recall >= 0.95) {
		t.Errorf("got precision %.2f, recall %.2f", precision, recall)
	}
}

// TestCheckAwkward runs the check over files that break decoders.
func TestCheckAwkward(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(datatest.Shared(t, "data", "awkward"), "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	f := &dataset.Folder{Labels: []string{"a", "b"}}
	for i, path := range files {
		f.Items = append(f.Items, dataset.Item{Path: path, Rel: filepath.Base(path), Label: i % 2})
	}
	c, err := doctor.Check(t.Context(), f, doctor.Config{Memory: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if c.Readable+len(c.Problems) != len(files) || c.Readable < 50 {
		t.Errorf("%d readable and %d problems of %d files", c.Readable, len(c.Problems), len(files))
	}
	for _, p := range c.Problems {
		if len(p.Reason) < 20 {
			t.Errorf("%s: reason %q", p.Path, p.Reason)
		}
	}
}
