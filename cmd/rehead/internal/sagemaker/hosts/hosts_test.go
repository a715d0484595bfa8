package hosts

import (
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
)

func TestRank(t *testing.T) {
	h := List{Current: "algo-2", All: []string{"algo-3", "algo-2", "algo-1"}}
	if h.Leader() != "algo-1" || h.Rank() != 1 {
		t.Errorf("got leader %q and rank %d, want algo-1 and 1", h.Leader(), h.Rank())
	}
	h.Current = "algo-9"
	if h.Rank() != -1 {
		t.Errorf("a host that is not of the job: got rank %d, want -1", h.Rank())
	}
}

// A host that its job does not list trains nothing, however many there are.
func TestRegression_HostsHoldThisOne(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"current_host":"b","hosts":["a"]}`: false, `{"current_host":"b","hosts":["a","c"]}`: false,
		`{"hosts":["a","c"]}`:                false,
		`{"current_host":"a","hosts":["a"]}`: true, `{"current_host":"a"}`: true, `{"hosts":["a"]}`: true, `{}`: true,
	} {
		l := layout.Tree(t.TempDir())
		layouttest.Config(t, l, "resourceconfig.json", text)
		if got, err := Read(l); (err == nil) != ok {
			t.Errorf("%s: got %+v, %v, want it to work: %v", text, got, err, ok)
		}
	}
	l := layout.Tree(t.TempDir())
	layouttest.Config(t, l, "resourceconfig.json", `{"hosts":"a"}`)
	if _, err := Read(l); err == nil || strings.Contains(err.Error(), "Go ") || !strings.Contains(err.Error(), `"hosts"`) {
		t.Errorf("got %v, want the field and no Go type", err)
	}
}

// Contract 15: a missing and an empty file are not errors; a broken one is named.
func TestMissingAndEmptyFiles(t *testing.T) {
	l := layout.Tree(t.TempDir())
	if got, err := Read(l); err != nil || len(got.All) != 0 {
		t.Errorf("missing: got %v, %v; want no hosts and no error", got, err)
	}
	layouttest.Config(t, l, "resourceconfig.json", "{")
	if _, err := Read(l); err == nil || !strings.Contains(err.Error(), "resourceconfig.json") {
		t.Errorf("a broken file: got %v, want an error that names it", err)
	}
}
