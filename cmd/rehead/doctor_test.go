package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/internal/draw"
)

// put copies a file.
func put(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func codes(c *doctor.Checkup) []string {
	var out []string
	for _, f := range c.Findings {
		out = append(out, f.Code)
	}
	return out
}

func TestDoctor(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir := t.TempDir()
	pictures, cache, trunk := filepath.Join(dir, "pictures"), filepath.Join(dir, "cache"), narrow(t, dir)
	if err := draw.Folder(pictures, 3, 16, 4); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(pictures, draw.Label(0), "0003.jpg"), filepath.Join(pictures, draw.Label(1), "copy.jpg"))
	if err := os.WriteFile(filepath.Join(pictures, draw.Label(2), "torn.jpg"), []byte("\xff\xd8\xff\xe0 no picture"),
		0o644); err != nil {
		t.Fatal(err)
	}
	var c doctor.Checkup
	must(t, &c, "doctor", pictures, "--json", "--min-images", "10")
	want := []string{doctor.CodeUnreadable, doctor.CodeSameAcross}
	for _, code := range want {
		if !slices.Contains(codes(&c), code) {
			t.Errorf("no %s in %v", code, codes(&c))
		}
	}
	if !c.Trainable || c.Images != 50 || c.Readable != 49 || len(c.Duplicates) != 1 || c.Cost.EmbedSeconds != 0 {
		t.Errorf("got %+v", c)
	}
	o := must(t, nil, "doctor", pictures)
	for _, word := range []string{"50 pictures of 3 labels", "warning: ", "copy.jpg", "across labels", "torn.jpg  ",
		"expected: "} {
		if !strings.Contains(o.stdout, word) {
			t.Errorf("no %q in %s", word, o.stdout)
		}
	}
	for range 2 { // with an empty cache, then with a full one
		c = doctor.Checkup{}
		must(t, &c, "doctor", pictures, "--json", "--weights", trunk, "--cache", cache)
		if !(c.Cost.EmbedSeconds > 0) || !(c.Cost.TrainSeconds > 0) || c.Cost.TrainSecondsCold < c.Cost.EmbedSeconds {
			t.Errorf("got cost %+v", c.Cost)
		}
	}
	var trained struct{ Embedded, Cached int }
	must(t, &trained, "train", pictures, "--weights", trunk, "--cache", cache, "-o", filepath.Join(dir, "model"), "--json")
	if trained.Embedded != 0 || trained.Cached != 49 {
		t.Errorf("training after doctor: got %+v, want 49 pictures from the cache", trained)
	}
}

// TestDoctorHopeless: exit code 1, in JSON too, when nothing can be trained.
func TestDoctorHopeless(t *testing.T) {
	dir := t.TempDir()
	if err := draw.Folder(dir, 1, 2, 1); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ args []string }{
		"one label": {[]string{"doctor", dir}}, "absent": {[]string{"doctor", filepath.Join(dir, "absent")}},
	} {
		fails(t, test.args)
		o := command(t, append(test.args, "--json")...)
		var c doctor.Checkup
		if err := json.Unmarshal([]byte(o.stdout), &c); err != nil || o.code != exitFailed || c.Trainable ||
			len(c.Findings) == 0 || !slices.ContainsFunc(c.Findings, func(f doctor.Finding) bool {
			return f.Severity == doctor.Fatal
		}) {
			t.Errorf("%s: code %d, %v, %q", name, o.code, err, o.stdout)
		}
	}
	if o := command(t, "doctor"); o.code != exitUsage {
		t.Errorf("no argument: code %d", o.code)
	}
}

// TestTrainOnParts trains on a manifest, with a folder of its own to measure with.
func TestTrainOnParts(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir := t.TempDir()
	pictures, test, trunk := filepath.Join(dir, "pictures"), filepath.Join(dir, "test"), narrow(t, dir)
	if err := draw.Folder(pictures, 3, 12, 4); err != nil {
		t.Fatal(err)
	}
	if err := draw.Folder(test, 3, 4, 99); err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	list.WriteString("image,label,split\n")
	for class := range 3 {
		for i := range 8 {
			ext := "jpg"
			if i%5 == 4 {
				ext = "png"
			}
			fmt.Fprintf(&list, "%s/%04d.%s,%s,\n", draw.Label(class), i, ext, draw.Label(class))
		}
		fmt.Fprintf(&list, "%s/0010.jpg,%s,validation\n", draw.Label(class), draw.Label(class))
	}
	manifest := filepath.Join(pictures, "list.csv")
	if err := os.WriteFile(manifest, []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Images int
		Labels []string
		Train  struct{ Images int }
		Test   struct{ Images int }
	}
	o := must(t, &got, "train", manifest, "--validation", "0", "--test-dir", test, "--weights", trunk, "--cache", "none",
		"-o", filepath.Join(dir, "model"), "--json")
	if got.Images != 27+12 || len(got.Labels) != 3 || !strings.Contains(o.stdout, `"test_accuracy"`) {
		t.Errorf("got %+v from %s", got, o.stdout)
	}
	if err := draw.Folder(test, 4, 1, 99); err != nil {
		t.Fatal(err)
	}
	fails(t, []string{"train", manifest, "--test-dir", test, "--weights", trunk, "--cache", "none", "-o",
		filepath.Join(dir, "other")}, draw.Label(3))
}
