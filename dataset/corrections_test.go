package dataset

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestCorrections(t *testing.T) {
	f := &Folder{Root: "pets", Labels: []string{"cat", "dog"}, Items: []Item{
		{Rel: "cat/a.jpg"}, {Rel: "cat/b.jpg"}, {Rel: "dog/a.jpg", Label: 1}, {Rel: "dog/c.jpg", Label: 1}}}
	file := filepath.Join(t.TempDir(), "corrections.csv")
	rows := []Proposal{{"cat/a.jpg", ActionDrop, "", "blank"}, {"cat/b.jpg", ActionLabel, "dog", "looks like one"},
		{"dog/a.jpg", ActionKeep, "cat", "may be"}}
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteCorrections(out, rows); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := ReadCorrections(file)
	want := []Correction{{Path: "cat/a.jpg", Drop: true}, {Path: "cat/b.jpg", Label: "dog"}}
	if err != nil || !reflect.DeepEqual(list, want) {
		t.Fatalf("got %+v, %v, want %+v", list, err, want)
	}
	if report, err := parseCorrections("path,correction\ncat/a.jpg,drop\ncat/b.jpg,label=dog\n"); err != nil ||
		!reflect.DeepEqual(report, want) {
		t.Errorf("as a report writes it: got %+v, %v, want %+v", report, err, want)
	}
	got, err := f.Corrected(list)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Items); n != 3 || got.Items[0].Rel != "cat/b.jpg" || got.Items[0].Label != 1 ||
		got.Items[1].Label != 1 {
		t.Errorf("got %+v", got.Items)
	}
	if len(f.Items) != 4 || f.Items[1].Label != 0 {
		t.Errorf("the folder itself changed: %+v", f.Items)
	}
	several, err := f.AsMultiLabel().Corrected([]Correction{{Path: "dog/c.jpg", Label: "dog|cat"}})
	if err != nil || !reflect.DeepEqual(several.Items[3].Labels, []int{0, 1}) || several.Items[3].Label != 0 {
		t.Errorf("several labels: got %+v, %v", several, err)
	}
	for _, bad := range []struct{ text, want string }{
		{"path,action\ncat/a.jpg,dorp\n", `did you mean "drop"?`},
		{"path,action,label\ncat/a.jpg,label,\n", "the label is missing"},
		{"path,action\ncat/a.jpg,drop\ncat/a.jpg,drop\n", "on line 2 and on line 3"},
		{"file,what\n", "want path,action,label"},
		{"", "want a first row"},
	} {
		if _, err := parseCorrections(bad.text); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%q: got %v, want %q", bad.text, err, bad.want)
		}
	}
	for _, bad := range []struct {
		c    Correction
		want string
	}{{Correction{Path: "cat/x.jpg", Drop: true}, "cat/x.jpg is no picture of pets"},
		{Correction{Path: "cat/a.jpg", Label: "dgo"}, `did you mean "dog"?`}} {
		if _, err := f.Corrected([]Correction{bad.c}); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%+v: got %v, want %q", bad.c, err, bad.want)
		}
	}
}
