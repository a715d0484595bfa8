package dataset_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/draw"
)

// TestLooks: a second check finds the same in pictures that it does not decode, and one that was
// edited is decoded again.
func TestLooks(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	if err := draw.Folder(root, 2, 12, 4); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(root, draw.Label(0))
	write(t, filepath.Join(first, "turned.png"), withEXIF(encode(t, "png", noise(50, 80, 7)), 6))
	write(t, filepath.Join(first, "wide.png"), encode(t, "png", noise(640, 40, 6)))
	write(t, filepath.Join(first, "wide.jpg"), encode(t, "jpeg", noise(640, 40, 6)))
	write(t, filepath.Join(first, "cut.png"), encode(t, "png", noise(64, 40, 5))[:200])
	looked := func(lim dataset.Limits) (*dataset.Checkup, int) {
		looks, err := dataset.OpenLooks(dir)
		if err != nil {
			t.Fatal(err)
		}
		c := check(t, root, dataset.CheckConfig{Looks: looks, Limits: lim})
		known := looks.Len()
		if err := looks.Close(); err != nil {
			t.Fatal(err)
		}
		return c, known
	}
	text := func(c *dataset.Checkup) string {
		plain := *c
		plain.Cost = dataset.Cost{}
		data, err := json.Marshal(&plain)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	cold, known := looked(dataset.Limits{})
	if known != 24+3 {
		t.Errorf("got %d pictures known, want 27: what cannot be read is never known", known)
	}
	warm, _ := looked(dataset.Limits{})
	if a, b := text(cold), text(warm); a != b {
		t.Errorf("the second check differs:\n%s\n%s", a, b)
	}
	if len(cold.NearDuplicates) == 0 || cold.Rotated != 1 || !(cold.Cost.DecodeSeconds > 0) ||
		warm.Cost.DecodeSeconds != 0 {
		t.Errorf("got %d near duplicates, %d rotated, cost %+v and %+v", len(cold.NearDuplicates), cold.Rotated, cold.Cost,
			warm.Cost)
	}
	if small, _ := looked(dataset.Limits{MaxPixels: 1000}); small.Readable != 0 {
		t.Errorf("%d known pictures escaped a limit of 1,000 pixels", small.Readable)
	}
	if err := os.WriteFile(filepath.Join(first, "wide.png"), encode(t, "png", noise(30, 30, 9)), 0o644); err != nil {
		t.Fatal(err)
	}
	if edited, known := looked(dataset.Limits{}); known != 28 || edited.Width.Max != 640 ||
		len(edited.NearDuplicates) == len(cold.NearDuplicates) {
		t.Errorf("an edited picture: got %d known, %+v", known, edited.NearDuplicates)
	}
}
