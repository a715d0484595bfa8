package train

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/c236555e/rehead/dataset"
)

// again compresses a picture once more: other bytes, nearly the same picture.
func again(t *testing.T, data []byte) []byte {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 40}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scene is a picture of some waves, unlike that of any other seed.
func scene(seed int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	state := uint32(seed)*2654435761 + 1
	var cells [64]uint8
	for i := range cells {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		cells[i] = uint8(state >> 8)
	}
	for i := range img.Pix {
		p := i / 4
		img.Pix[i] = cells[p/64/8*8+p%64/8]
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		panic(err) // an 8-bit picture in memory always encodes
	}
	return b.Bytes()
}

// TestNearlyEqualPicturesStayTogether: a picture and its copy of another compression never lie in
// two parts, in training and in a later evaluation alike.
func TestNearlyEqualPicturesStayTogether(t *testing.T) {
	dir := t.TempDir()
	for l := range 2 {
		for i := range 30 {
			data := scene(100*l + i)
			write(t, data, mkdir(t, dir, fmt.Sprint(l)), fmt.Sprintf("a%d.jpg", i))
			if i < 12 {
				write(t, again(t, data), dir, fmt.Sprint(l), fmt.Sprintf("z%d.jpg", i*7919))
			}
		}
	}
	w, cache := narrow(t), t.TempDir()
	res := mustRun(t, dir, w, Config{EmbedConfig: EmbedConfig{CacheDir: cache}})
	if res.Model.Split.Near != dataset.NearVersion || len(res.Checkup.NearDuplicates) != 24 {
		t.Fatalf("got rule %d and %d near duplicates, want %d and 24", res.Model.Split.Near, len(res.Checkup.NearDuplicates),
			dataset.NearVersion)
	}
	parts, crossing := map[string]string{}, 0
	for _, p := range res.Pictures {
		parts[p.Rel] = p.Part
	}
	for l := range 2 {
		for i := range 12 {
			if a, b := parts[fmt.Sprintf("%d/a%d.jpg", l, i)], parts[fmt.Sprintf("%d/z%d.jpg", l, i*7919)]; a != b {
				t.Errorf("label %d, picture %d: in %s, its copy in %s", l, i, a, b)
			}
		}
	}
	plain := scan(t, dir)
	if err := plain.Split(dataset.SplitConfig(res.Model.Split)); err != nil {
		t.Fatal(err)
	}
	for _, it := range plain.Items {
		if parts[it.Rel] != it.Split.String() {
			crossing++
		}
	}
	if crossing == 0 {
		t.Error("the copies happen to lie together without the rule: this shows nothing")
	}
	ev, err := Evaluate(context.Background(), res.Model, scan(t, dir),
		EvaluateConfig{Part: "test", EmbedConfig: EmbedConfig{CacheDir: cache}})
	if err != nil {
		t.Fatal(err)
	}
	if ev.Test != res.Metrics.Test || ev.Embedded != 0 {
		t.Errorf("evaluate: got %+v, %d embedded, want %+v and none", ev.Test, ev.Embedded, res.Metrics.Test)
	}
}

// TestTooManyNearlyEqualPictures: where nearly everything is nearly equal, something is held out
// nevertheless.
func TestTooManyNearlyEqualPictures(t *testing.T) {
	dir := t.TempDir()
	data := scene(1)
	for l := range 2 {
		for i := range 30 {
			write(t, append(data[:len(data):len(data)], byte(l), byte(i)), mkdir(t, dir, fmt.Sprint(l)),
				fmt.Sprintf("%d.jpg", i))
		}
	}
	res := mustRun(t, dir, narrow(t), Config{})
	if res.Metrics.Test.Images == 0 || res.Metrics.Validation.Images == 0 || res.Model.Split.Near != 0 {
		t.Errorf("got %d test and %d validation pictures by rule %d, want some by rule 0", res.Metrics.Test.Images,
			res.Metrics.Validation.Images, res.Model.Split.Near)
	}
	if n := len(res.Notes); n == 0 || res.Notes[n-1] != noteCrowded {
		t.Errorf("got notes %q", res.Notes)
	}
	res = mustRun(t, dir, narrow(t), Config{Features: FeaturesAuto}) // which nothing can be held out for
	if res.Model.Reads != nil || !slices.Contains(res.Notes, noteNotChosen) {
		t.Errorf("got a head that reads %v, notes %q", res.Model.Reads, res.Notes)
	}
}

// TestGivenPartsStay: nearly equal pictures whose parts were given stay where they are, and take
// others to the one held out most.
func TestGivenPartsStay(t *testing.T) {
	dir := mkdir(t, t.TempDir(), "all")
	data := scene(3)
	for i, d := range [][]byte{data, again(t, data), append(data[:len(data):len(data)], 1)} {
		write(t, d, mkdir(t, dir, "a"), fmt.Sprintf("%d.jpg", i))
	}
	for i := range 30 {
		write(t, scene(10+i), mkdir(t, dir, []string{"a", "b"}[i%2]), fmt.Sprintf("x%d.jpg", i))
	}
	f := scan(t, dir)
	at := map[string]*dataset.Item{}
	for i := range f.Items {
		at[f.Items[i].Rel] = &f.Items[i]
	}
	at["a/0.jpg"].Fixed, at["a/0.jpg"].Split = true, dataset.Train
	at["a/1.jpg"].Fixed, at["a/1.jpg"].Split = true, dataset.Test
	if _, err := Run(context.Background(), f, narrow(t), Config{}); err != nil {
		t.Fatal(err)
	}
	for rel, want := range map[string]dataset.Split{"a/0.jpg": dataset.Train, "a/1.jpg": dataset.Test,
		"a/2.jpg": dataset.Test} {
		if got := at[rel].Split; got != want {
			t.Errorf("%s: got %v, want %v", rel, got, want)
		}
	}
}

func mkdir(t *testing.T, elem ...string) string {
	t.Helper()
	dir := filepath.Join(elem...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
