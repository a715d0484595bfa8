package main

import (
	"bytes"
	"flag"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/pictures"
)

// TestLines: every name comes back from the list as it was.
func TestLines(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []pictures.Row{
		{File: source.File{Path: filepath.Join(dir, "1.jpg")}},
		{File: source.File{Path: filepath.Join(dir, "a\tb\nc\\\"d\xff.jpg")}, Labels: []string{"x y", "\"z\"\t", "\u00e9"}},
		{File: source.File{Path: "flowers.zip!/a/1.jpg"}, Labels: []string{"a"}, Part: dataset.Test, Given: true},
		{File: source.File{Path: "s3://bucket/1.jpg"}, Given: true},
	} {
		line := string(appendLine(nil, want))
		got, err := parseLine(strings.TrimSuffix(line, "\n"))
		if err != nil || !reflect.DeepEqual(got.Row, want) || got.object != nil || strings.Count(line, "\n") != 1 {
			t.Errorf("got %+v, %v from %q, want %+v", got, err, line, want)
		}
	}
	got, err := parseLine("\"s3://b/1.jpg\"\t\t\t\"e\\t\\\"1\" 99 0a1b")
	if want := (bucket.Object{ETag: "e\t\"1", Size: 99, MD5: "0a1b"}); err != nil || got.object == nil || *got.object != want {
		t.Errorf("got %+v, %v, want %+v", got.object, err, want)
	}
	for _, line := range []string{"", "a\t\t\t", "\"a\"\t\t", "\"a\"\tb\t\t", "\"a\"\t\t7\t", "\"a\"\t\t\t\"e\" x"} {
		if got, err := parseLine(line); err == nil {
			t.Errorf("%q: got %+v, want an error", line, got)
		}
	}
}

// TestRegression_CannotBeOpened: a picture that cannot be opened keeps its path and says why, whatever was
// opened after it.
func TestRegression_CannotBeOpened(t *testing.T) {
	open := opener{ctx: t.Context(), far: map[string]*bucket.Store{}}
	const path = "nowhere://bucket/1.jpg"
	r := open.row(listed{Row: pictures.Row{File: source.File{Path: path}, Labels: []string{"a"}}})
	open.row(listed{Row: pictures.Row{File: source.File{Path: filepath.Join(drawn(t, 1), "1.jpg")}}})
	_, err := r.Read(picture.Limits{})
	if err == nil || !strings.Contains(err.Error(), "nothing opens addresses of nowhere") || r.Path != path ||
		len(r.Labels) != 1 {
		t.Errorf("got %v of %q with the labels %q", err, r.Path, r.Labels)
	}
}

// TestNames: a shard's name depends on its pictures and on what is made of them, and on nothing else.
func TestNames(t *testing.T) {
	dir := drawn(t, 2)
	names := func(salt string, rows int) (out []string) {
		l, err := (&Job{Sources: []string{dir}, Rows: rows}).list(salt)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.parts {
			out = append(out, p.Name)
		}
		return out
	}
	was := names("", 2)
	if again := names("", 2); len(was) != 3 || !slices.Equal(was, again) {
		t.Errorf("got %q and %q, want three and the same again", was, again)
	}
	for i, name := range names("other", 2) {
		if name == was[i] {
			t.Errorf("other weights: %s is called as before", name)
		}
	}
	list, _, err := source.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, append(read(t, list[2].Path), 0), list[2].Path)
	if now := names("", 2); now[0] != was[0] || now[1] == was[1] || now[2] != was[2] {
		t.Errorf("another third picture: got %q, was %q; want another second name", now, was)
	}
}

// TestParse: flags may stand anywhere; what is wrong is said before anything is begun.
func TestParse(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string // of the error; "" for none
	}{
		{[]string{"a", "--output", "o", "b", "--shard=9"}, ""},
		{[]string{"--output", "o", "--model", "m", "--format", "csv", "a", "b"}, ""},
		{[]string{"--output", "o"}, "name the pictures"},
		{[]string{"a"}, "--output is missing"},
		{[]string{"a", "--output", "o", "--format", "csv"}, `got "csv", want shards or parquet`},
		{[]string{"a", "--output", "o", "--model", "m", "--format", "shards"}, `want parquet or csv or json`},
		{[]string{"a", "--output", "o", "--model", "m", "--features", "all"}, "leave them out"},
		{[]string{"a", "--output", "o", "--features", "x"}, "--features"},
		{[]string{"a", "--output", "o", "--shard", "0"}, "--shard: got 0"},
		{[]string{"a", "--output", "o", "--top", "0"}, "--top: got 0"},
		{[]string{"a", "--output", "o", "--labels-at", "x"}, `--labels-at: got "x"`},
		{[]string{"a", "--output", "o", "--threads", "-1"}, "Threads"},
		{[]string{"s3://b/a", "--output", "s3://b/o", "--weights", "gs://b/w", "azblob://b/c"}, ""},
		{[]string{"a", "--output", "hdfs://b/o"}, "--output: got hdfs://b/o, want a path or an address that begins with azblob://, gs://, s3://"},
		{[]string{"a", "--output", "o", "--model", "http://b/m"}, "--model: got http://b/m"},
	} {
		set := flag.NewFlagSet("", flag.ContinueOnError)
		j, _ := flags(set)
		var err error
		if j.Sources, err = parse(set, test.args); err == nil {
			err = j.check()
		}
		if test.want == "" {
			if err != nil || len(j.Sources) != 2 || !source.IsAbs(j.Sources[1]) || !source.IsAbs(j.Out) {
				t.Errorf("%q: got %+v, %v", test.args, j, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.args, err, test.want)
		}
	}
}

// TestHelp: the help names every flag of this program.
func TestHelp(t *testing.T) {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	flags(set)
	var b bytes.Buffer
	help(set, &b)
	set.VisitAll(func(f *flag.Flag) {
		if !strings.Contains(b.String(), "--"+f.Name+" ") {
			t.Errorf("the help says nothing of --%s", f.Name)
		}
	})
}

// spoiling is a place whose first reads of parts of files bring a wrong byte.
type spoiling struct {
	place
	left int
}

func (s *spoiling) readRange(name string, off int64, n int) ([]byte, error) {
	data, err := s.place.readRange(name, off, n)
	if err == nil && s.left > 0 {
		s.left--
		data[n/2] ^= 1
	}
	return data, err
}

// TestSpoiledList: lines of the list that come otherwise than they were written are read again, and never
// taken.
func TestSpoiledList(t *testing.T) {
	l, err := (&Job{Sources: []string{drawn(t, 2)}, Rows: 4}).list("")
	if err != nil {
		t.Fatal(err)
	}
	at := folder{t.TempDir()}
	write(t, l.text, at.path(l.parts[1].List))
	want, err := l.parts[1].rows(at)
	if err != nil || len(want) != 2 {
		t.Fatalf("got %d rows, %v", len(want), err)
	}
	for _, wrong := range []int{1, listReads - 1, listReads} {
		got, err := l.parts[1].rows(&spoiling{at, wrong})
		if bad := wrong == listReads; bad != (err != nil) || !bad && !reflect.DeepEqual(got, want) {
			t.Errorf("%d wrong reads: got %v, %v", wrong, got, err)
		}
	}
}
