package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/train/internal/reporttest"
)

// TestPageIsKept: what is encoded is written to the same bytes again, and is the model's report.
func TestPageIsKept(t *testing.T) {
	in := madeUp(t, []string{"a", "b", "c"}, 10)
	in.Run = Run{Data: "shapes", Date: "2026-11-30"}
	in.Near = []doctor.Duplicates{{Images: []string{"a/1.jpg", "b/2.jpg", "gone.jpg"}, Mirrored: true}}
	page, err := Make(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want, err := page.HTML()
	if err != nil {
		t.Fatal(err)
	}
	data, err := page.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.HTML()
	if err != nil || !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Errorf("kept and written again the report is another one (%v): got %.200q, want %.200q", err, got[at:], want[at:])
	}
	reporttest.Wants(t, reporttest.Parse(t, want), "shapes", "Training report of 2026-11-30", "from 30 pictures of shapes",
		"1 group of 2 pictures look nearly the same", "Labels differ", "one mirrored")
	if bytes.Contains(data, []byte("/data/set")) || bytes.Contains(want, []byte("/data/set")) {
		t.Error("the report says where the folder lies")
	}
	in.Model.ReportData = data
	named, err := OfModel(in.Model, Run{Name: "best", Date: "1999-01-01"})
	if err != nil || named.view.Heading != "best" || !strings.Contains(named.view.Title, "2026-11-30") {
		t.Errorf("got %q, %q, %v, want the given name and the run's own date", named.view.Heading, named.view.Title, err)
	}
	for name, bad := range map[string][]byte{"no gzip": []byte("{}"), "cut": data[:len(data)/2], "nothing": nil} {
		if _, err := Decode(bad); err == nil || !strings.Contains(err.Error(), "train again") {
			t.Errorf("%s: got %v, want an error with the way out", name, err)
		}
	}
}

// TestOlderModels: a model without what its report is made from has a report that says what it lacks.
func TestOlderModels(t *testing.T) {
	in := madeUp(t, []string{"a", "b", "c"}, 10)
	var err error
	if in.Model.Metrics, err = json.Marshal(in.Metrics); err != nil {
		t.Fatal(err)
	}
	page, err := OfModel(in.Model, Run{Name: "old"})
	if err != nil {
		t.Fatal(err)
	}
	html, err := page.HTML()
	if err != nil {
		t.Fatal(err)
	}
	d := reporttest.ParseSections(t, html, strings.Fields("accuracy attention classes confusion left-out facts"))
	reporttest.Wants(t, d, "old", "keeps its metrics alone", "train again", reporttest.Percent(in.Metrics.Test.Accuracy))
	in.Model.Metrics = nil
	if _, err := OfModel(in.Model, Run{}); err == nil || !strings.Contains(err.Error(), "evaluate MODEL DIR --report") {
		t.Errorf("without metrics: got %v, want an error with the way out", err)
	}
	index, err := Index([]Entry{{page, "old.html"}, {page, "sub/b&c.html"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`href="old.html"`, `href="sub/b&amp;c.html"`, "2 runs", percent(in.Metrics.Test.Accuracy)} {
		if !bytes.Contains(index, []byte(want)) {
			t.Errorf("the index does not have %s", want)
		}
	}
	if _, err := Index(nil); err == nil {
		t.Error("an index of nothing is no error")
	}
}

// TestTableIsBounded: of very many pictures those that most need a look are listed.
func TestTableIsBounded(t *testing.T) {
	in := madeUp(t, []string{"a", "b"}, 20)
	whole := in.table()
	if len(whole.Rows) != 40 || whole.Of != 40 || whole.Rows[1][6] != flagSuspect {
		t.Errorf("got %d rows of %d, the second %v, want every picture and the suspect marked", len(whole.Rows), whole.Of,
			whole.Rows[1])
	}
	for i := range in.Pictures {
		in.Pictures[i].Rel += strings.Repeat("x", tableBytes/20)
	}
	in.Metrics.LabelErrors.List[0].Image = in.Pictures[7].Rel
	cut := in.table()
	if len(cut.Rows) == 0 || len(cut.Rows) >= 20 || cut.Of != 40 || cut.Rows[0][0] != in.Pictures[7].Rel {
		t.Errorf("got %d rows of %d, want fewer than half of 40, the suspect first", len(cut.Rows), cut.Of)
	}
}
