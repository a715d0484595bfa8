package dataset_test

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/draw"
)

// TestStoreFS: a folder in a file system of package io/fs is scanned, listed, opened and read as the
// same folder on disk.
func TestStoreFS(t *testing.T) {
	dir := t.TempDir()
	if err := draw.Folder(dir, 3, 4, 1); err != nil {
		t.Fatal(err)
	}
	list := "image,label\n" + draw.Label(0) + "/0000.jpg,x\n" + draw.Label(1) + "/0001.jpg,y\n"
	if err := os.WriteFile(filepath.Join(dir, "list.csv"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	store := source.FS(os.DirFS(dir))
	for name, read := range map[string][2]func() (*dataset.Folder, error){
		"scan": {func() (*dataset.Folder, error) { return dataset.Scan(dir, dataset.ScanConfig{}) },
			func() (*dataset.Folder, error) { return dataset.ScanStore(store, ".", dataset.ScanConfig{}) }},
		"open": {func() (*dataset.Folder, error) { return dataset.Open(dir, dataset.ManifestConfig{}) },
			func() (*dataset.Folder, error) { return dataset.OpenStore(store, ".", dataset.ManifestConfig{}) }},
		"manifest": {func() (*dataset.Folder, error) {
			return dataset.Open(filepath.Join(dir, "list.csv"), dataset.ManifestConfig{})
		}, func() (*dataset.Folder, error) { return dataset.OpenStore(store, "list.csv", dataset.ManifestConfig{}) }},
	} {
		want, err := read[0]()
		if err != nil {
			t.Fatal(err)
		}
		got, err := read[1]()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := errors.Join(want.Split(dataset.SplitConfig{}), got.Split(dataset.SplitConfig{})); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Labels, want.Labels) || len(got.Items) != len(want.Items) {
			t.Fatalf("%s: got %d items of %v, want %d of %v", name, len(got.Items), got.Labels, len(want.Items), want.Labels)
		}
		for i, it := range got.Items {
			w := want.Items[i]
			a, errA := it.File().Read(picture.Limits{})
			b, errB := w.File().Read(picture.Limits{})
			if it.Rel != w.Rel || it.Label != w.Label || it.Split != w.Split || errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: item %d: got %+v, want %+v (%v, %v)", name, i, it, w, errA, errB)
			}
		}
	}
	files, problems, err := source.ListStore(store, ".")
	if err != nil || len(files) != 12 || len(problems) != 1 { // list.csv is no picture
		t.Errorf("listed %d files, %v, %v", len(files), problems, err)
	}
	if _, err := dataset.ScanStore(source.FS(fstest.MapFS{}), ".", dataset.ScanConfig{}); err == nil {
		t.Error("an empty file system was scanned")
	}
	if _, err := dataset.ScanStore(source.FS(nil), ".", dataset.ScanConfig{}); err == nil {
		t.Error("no file system was scanned")
	}
}

// pictures are drawn ones of two labels in memory.
func pictures(t *testing.T, n int) []dataset.Picture {
	t.Helper()
	list := make([]dataset.Picture, n)
	for i := range list {
		var b bytes.Buffer
		if err := png.Encode(&b, draw.Picture(i%2, i, 1)); err != nil {
			t.Fatal(err)
		}
		list[i] = dataset.Picture{Name: fmt.Sprintf("key-%02d", i), Label: draw.Label(i % 2),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }}
	}
	return list
}

// TestFromPictures: pictures that a program opens become a folder that is split and read as any other.
func TestFromPictures(t *testing.T) {
	list := pictures(t, 20)
	list[3].Part, list[5].Group, list[7].Weight = new(dataset.Test), "g", 2
	f, err := dataset.FromPictures(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Split(dataset.SplitConfig{}); err != nil {
		t.Fatal(err)
	}
	for i, it := range f.Items {
		data, err := it.File().Read(picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := picture.Decode(data, picture.Limits{}); err != nil || it.Rel != list[i].Name ||
			f.Labels[it.Label] != list[i].Label {
			t.Errorf("item %d: got %+v, %v", i, it, err)
		}
	}
	if it := f.Items[3]; !it.Fixed || it.Split != dataset.Test || f.Items[5].Group != "g" || f.Items[7].Weight != 2 {
		t.Errorf("got %+v", it)
	}
	var large *picture.TooLargeError
	if _, err := f.Items[0].File().Read(picture.Limits{MaxBytes: 9}); !errors.As(err, &large) {
		t.Errorf("a picture of more than 9 bytes: got %v", err)
	}

	sets := pictures(t, 4)
	for i := range sets {
		sets[i].Labels, sets[i].Label = [][]string{{}, {"b", "a"}, {"a"}, {"c"}}[i], ""
	}
	f, err = dataset.FromPictures(sets)
	if err != nil || !f.MultiLabel || !slices.Equal(f.Labels, []string{"a", "b", "c"}) ||
		!slices.Equal(f.Items[1].Labels, []int{0, 1}) || f.Items[0].Labels == nil {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestFromPicturesRefuses(t *testing.T) {
	broken := errors.New("the line is down")
	for want, change := range map[string]func(list []dataset.Picture) []dataset.Picture{
		"too few labels":    func(list []dataset.Picture) []dataset.Picture { return list[:1] },
		"two pictures":      func(list []dataset.Picture) []dataset.Picture { return append(list, list[0]) },
		"want a Name":       func(list []dataset.Picture) []dataset.Picture { list[1].Name = ""; return list },
		"an Open":           func(list []dataset.Picture) []dataset.Picture { list[1].Open = nil; return list },
		"Label of each":     func(list []dataset.Picture) []dataset.Picture { list[1].Label = ""; return list },
		"Labels of each":    func(list []dataset.Picture) []dataset.Picture { list[1].Labels = []string{"a"}; return list },
		"which there is no": func(list []dataset.Picture) []dataset.Picture { list[1].Part = new(dataset.Split(9)); return list },
	} {
		if _, err := dataset.FromPictures(change(pictures(t, 4))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := dataset.FromPictures(nil); !errors.Is(err, dataset.ErrFewLabels) {
		t.Errorf("no pictures: got %v", err)
	}
	list := pictures(t, 2)
	list[0].Open = func() (io.ReadCloser, error) { return nil, broken }
	f, err := dataset.FromPictures(list)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Items[0].File().Read(picture.Limits{}); !errors.Is(err, broken) {
		t.Errorf("got %v, want what the opener said", err)
	}
}
