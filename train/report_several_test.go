package train

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// checkReportOfSeveral looks at the report and the plots of a run whose pictures have several
// labels.
func checkReportOfSeveral(t *testing.T, r *Result) {
	t.Helper()
	m := r.Metrics.MultiLabel
	html := mustReport(t, r)
	d := parseSections(t, html, strings.Fields("accuracy learning calibration several classes mistakes map "+
		"duplicates left-out facts"))
	wants(t, d, "head of sigmoids", "Computed with", percent(m.SubsetAccuracy), percent(m.HammingLoss), percent(m.MeanAP),
		"average precision",
		fmt.Sprintf("%.4f", *r.Metrics.PerClass[0].Threshold),
		fmt.Sprintf("%d probabilities of labels", m.Images*r.Metrics.Classes))
	list := r.evidence.mistakes(r.Pictures, true).List
	if len(list) == 0 {
		t.Fatal("the run made no mistake, want some to look at")
	}
	maps := map[string][]string{} // labels by picture
	for _, f := range glowing.FindAllStringSubmatch(string(html), -1) {
		maps[f[3]] = append(maps[f[3]], f[2])
	}
	for _, p := range list {
		var want []string
		for _, l := range r.Model.Labels {
			if slices.Contains(p.Labels, l) != slices.Contains(p.Answered, l) {
				want = append(want, l)
			}
		}
		got := slices.Sorted(slices.Values(maps[p.Rel]))
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s is %s, taken for %s: got the maps of %q, want those of %q", p.Rel, p.Label, p.Predicted, got, want)
		}
	}
	if plots := mustPlots(t, r); len(plots) != 4 || plots["confusion.svg"] != "" ||
		!strings.Contains(plots["labels.svg"], r.Model.Labels[0]) {
		t.Errorf("got %d plots, want the loss, reliability, labels and map", len(plots))
	}
}
