package doctor_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/draw"
)

// TestCheckCache: a second check finds the same in pictures that it does not decode, and one that
// was edited is decoded again.
func TestCheckCache(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	if err := draw.Folder(root, 2, 12, 4); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(root, draw.Label(0))
	picturetest.Write(t, filepath.Join(first, "turned.png"),
		picturetest.WithEXIF(picturetest.Encode(t, "png", picturetest.Noise(50, 80, 7)), 6))
	picturetest.Write(t, filepath.Join(first, "wide.png"), picturetest.Encode(t, "png", picturetest.Noise(640, 40, 6)))
	picturetest.Write(t, filepath.Join(first, "wide.jpg"), picturetest.Encode(t, "jpeg", picturetest.Noise(640, 40, 6)))
	picturetest.Write(t, filepath.Join(first, "cut.png"), picturetest.Encode(t, "png", picturetest.Noise(64, 40, 5))[:200])
	looked := func(lim picture.Limits) (*doctor.Checkup, int) {
		cache, err := doctor.OpenCheckCache(dir)
		if err != nil {
			t.Fatal(err)
		}
		c := check(t, root, doctor.Config{Cache: cache, Limits: lim})
		known := cache.Len()
		if err := cache.Close(); err != nil {
			t.Fatal(err)
		}
		return c, known
	}
	text := func(c *doctor.Checkup) string {
		plain := *c
		plain.Cost = doctor.Cost{}
		data, err := json.Marshal(&plain)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	cold, known := looked(picture.Limits{})
	if known != 24+3 {
		t.Errorf("got %d pictures known, want 27: what cannot be read is never known", known)
	}
	warm, _ := looked(picture.Limits{})
	if a, b := text(cold), text(warm); a != b {
		t.Errorf("the second check differs:\n%s\n%s", a, b)
	}
	if len(cold.NearDuplicates) == 0 || cold.Rotated != 1 || !(cold.Cost.DecodeSeconds > 0) ||
		warm.Cost.DecodeSeconds != 0 {
		t.Errorf("got %d near duplicates, %d rotated, cost %+v and %+v", len(cold.NearDuplicates), cold.Rotated, cold.Cost,
			warm.Cost)
	}
	if small, _ := looked(picture.Limits{MaxPixels: 1000}); small.Readable != 0 {
		t.Errorf("%d known pictures escaped a limit of 1,000 pixels", small.Readable)
	}
	if err := os.WriteFile(filepath.Join(first, "wide.png"), picturetest.Encode(t, "png", picturetest.Noise(30, 30, 9)),
		0o644); err != nil {
		t.Fatal(err)
	}
	if edited, known := looked(picture.Limits{}); known != 28 || edited.Width.Max != 640 ||
		len(edited.NearDuplicates) == len(cold.NearDuplicates) {
		t.Errorf("an edited picture: got %d known, %+v", known, edited.NearDuplicates)
	}
}
