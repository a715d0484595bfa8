package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/answer"
)

// oddNames are pictures whose rows are hard to read back.
var oddNames = []string{"a", "b,\"c\"", "e\nf", "d\r\n", "\xff", ""}

// answersIn is the command line of the answers of a file.
func answersIn(path string) *answerFlags {
	return &answerFlags{file: path, format: strings.TrimPrefix(filepath.Ext(path), ".")}
}

// answerAll writes an answer for each name that has none, and returns how many had one; every
// second picture fails.
func answerAll(t *testing.T, path string, names []string) (before int, failed failures, err error) {
	t.Helper()
	m := &inception.Model{Labels: []string{"x", "y"}}
	out, err := answersIn(path).open(&app{}, m, answersOf{Format: answersIn(path).format, Model: "m", Top: 2})
	if err != nil {
		return 0, failed, err
	}
	var group []given
	for _, name := range names {
		group = append(group, given{File: source.File{Path: name}})
	}
	rest, err := out.skip(group, failed.count)
	before = len(group) - len(rest)
	for i, g := range rest {
		if err != nil {
			break
		}
		p := prediction{Row: answer.Row{Image: g.Path, Predictions: []inception.Prediction{{Label: "x", Probability: 0.75}}}}
		if (before+i)%2 == 1 {
			p = prediction{Row: answer.Row{Image: g.Path, Error: "is \"no\"\tpicture"}}
		}
		failed.count(p)
		err = out.write(p)
	}
	return before, failed, out.end(err)
}

// TestAnswersGoOn cuts the answers at every byte, as a killed run leaves them: the next run answers
// for the pictures without a whole row, and the file and the count of failures are those of a run
// that nobody cut.
func TestAnswersGoOn(t *testing.T) {
	for _, format := range []string{"csv", "json"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "answers."+format)
		_, want, err := answerAll(t, path, oddNames)
		if err != nil || want.pictures != len(oddNames) || want.failed != len(oddNames)/2 {
			t.Fatalf("%s: %+v, %v", format, want, err)
		}
		if _, err := os.Stat(path + unfinished); err == nil {
			t.Errorf("%s: the finished answers have a file beside them", format)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said := `{"format":"` + format + `","model":"m","top":2}`
		last := -1
		for cut := range len(whole) + 1 {
			for name, data := range map[string]string{path: string(whole[:cut]), path + unfinished: said} {
				if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before, got, err := answerAll(t, path, oddNames)
			now, rerr := os.ReadFile(path)
			if err := errors.Join(err, rerr); err != nil || string(now) != string(whole) || got.pictures != want.pictures ||
				got.failed != want.failed {
				t.Fatalf("%s cut at %d of %d: %v, got %q (%+v), want %q", format, cut, len(whole), err, now, got, whole)
			}
			if before < last {
				t.Errorf("%s cut at %d: %d pictures had an answer, %d when it was shorter", format, cut, before, last)
			}
			last = before
		}
		if last != len(oddNames) {
			t.Errorf("%s: of all answers %d were found", format, last)
		}
	}
}

// TestAnswersBeginAnew: a finished file is written anew, and so is one whose other file was cut
// before anything was written.
func TestAnswersBeginAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers.csv")
	for _, said := range []string{"none", "", `{"format":"csv","mod`} {
		if err := os.WriteFile(path, []byte("what was there"), 0o644); err != nil {
			t.Fatal(err)
		}
		if said != "none" {
			if err := os.WriteFile(path+unfinished, []byte(said), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		before, _, err := answerAll(t, path, oddNames[:3])
		got, rerr := os.ReadFile(path)
		if err := errors.Join(err, rerr); err != nil || before != 0 || !strings.HasPrefix(string(got), "image,label,") {
			t.Errorf("%q: %d answered before, %v: %q", said, before, err, got)
		}
	}
}

// TestAnswersRefused: answers of another run are left alone, and the error says what differs.
func TestAnswersRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers.csv")
	const said = `{"format":"csv","model":"m","top":2}`
	if _, _, err := answerAll(t, path, oddNames[:3]); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header, first, _ := strings.Cut(string(whole), "\n")
	for name, test := range map[string]struct{ file, said, want string }{
		"another model":  {string(whole), `{"format":"csv","model":"k","top":2}`, "another model"},
		"another top":    {string(whole), `{"format":"csv","model":"m","top":5}`, "--top 5, now 2"},
		"another format": {string(whole), `{"format":"json","model":"m","top":2}`, "--format json, now csv"},
		"other limits":   {string(whole), `{"format":"csv","model":"m","top":2,"max_pixels":7}`, "--max-pixels 7, now 0"},
		"explained":      {string(whole), `{"format":"csv","model":"m","top":2,"explain":true}`, "--explain true, now false"},
		"other columns":  {"image,answer\n" + first, said, "does not begin with the columns image,label"},
		"other pictures": {header + "\nz.jpg,x,0.5,,,,\n" + first, said, "row 1 is of z.jpg, where a comes now"},
		"more pictures":  {string(whole) + "z.jpg,x,0.5,,,,\n", said, `3 rows of pictures that come now, and then one of "z.jpg"`},
		"no row":         {header + "\na\n" + first, said, "its row 1, behind byte"},
		"no number":      {string(whole) + "z.jpg\n", said, "then one of"},
	} {
		t.Run(name, func(t *testing.T) {
			for name, data := range map[string]string{path: test.file, path + unfinished: test.said} {
				if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := answerAll(t, path, oddNames[:3]); err == nil || !strings.Contains(err.Error(), test.want) ||
				!strings.Contains(err.Error(), unfinished) {
				t.Errorf("got %v, want it to say %q and name %s", err, test.want, unfinished)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != test.file {
				t.Errorf("the file was changed: %v, %q", err, got)
			}
		})
	}
	for name, data := range map[string]string{path: string(whole), path + unfinished: said} {
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := openAnswers(path, header+"\n", answersOf{Format: "csv", Model: "m", Top: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := answerAll(t, path, oddNames[:3]); err == nil || !strings.Contains(err.Error(), "another run is writing") {
		t.Errorf("two runs at once: %v", err)
	}
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	o := &answerFlags{file: path, format: "table"}
	if _, err := o.open(&app{}, &inception.Model{Labels: []string{"x"}}, answersOf{}); err == nil ||
		!strings.Contains(err.Error(), "a table cannot go on") {
		t.Errorf("a table over answers that are not finished: %v", err)
	}
}
