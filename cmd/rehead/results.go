package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/metrics"
)

func (a *app) printTrainJSON(r *train.Result, out string, report bool) error {
	metrics, err := json.Marshal(r.Metrics)
	if err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	var all map[string]any
	if err := json.Unmarshal(metrics, &all); err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	all["model"] = out
	all["report"] = nil
	if report {
		all["report"] = reportPath(out)
	}
	all["labels"] = r.Model.Labels
	all["embedded"] = r.Embedded
	all["cached"] = r.Cached
	all["seconds"] = r.Seconds
	all["problems"] = problemsJSON(r.Problems)
	return printJSON(a.stdout, all)
}

// problemJSON is a file that was left out, as JSON shows it.
type problemJSON struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

func problemsJSON(problems []source.Problem) []problemJSON {
	out := make([]problemJSON, 0, len(problems))
	for _, p := range problems {
		out = append(out, problemJSON{p.Path, oneLine(fmt.Errorf("%s", p.Reason))})
	}
	return out
}

// printTrained prints what a training gave.
func (a *app) printTrained(r *train.Result, out string, report bool) {
	a.printParts(&r.Metrics)
	a.printUnknown(r.Metrics.Unknown)
	a.say("model   %s", a.paint(bold, out))
	if report {
		a.say("report  %s", a.paint(bold, reportPath(out)))
	}
}

// printProblems names the files that were left out.
func (a *app) printProblems(problems []source.Problem) {
	if len(problems) == 0 {
		return
	}
	a.note("%s left out:", plural.Count(len(problems), "file was", "files were"))
	for _, p := range problems {
		a.note("  %s: %s", a.shortened(p.Path, a.width()/2), plain(p.Reason))
	}
}

// printParts prints the accuracy on each part that has pictures.
func (a *app) printParts(m *metrics.Metrics) {
	parts := a.partTable()
	parts.add("train", m.Train)
	parts.add("validation", m.Validation)
	parts.add("test", m.Test)
	if m.CrossValidated != nil {
		parts.add("cross-val.", *m.CrossValidated)
	}
	a.printTable(&parts.table, "")
	if m.CrossValidated != nil {
		a.sayWrapped("cross-val.: the train and validation pictures, each answered by a head that was trained without " +
			"it")
	}
	a.printAverages(m)
}

// printEvaluated prints the accuracy on all pictures, then on what the model had seen and what not.
func (a *app) printEvaluated(m *metrics.Metrics) {
	parts, said := a.partTable(), ""
	if m.ConfusionPart == "all" {
		parts.add("all", m.All)
	}
	switch {
	case m.Seen == nil:
		said = "the model does not remember its training pictures: it cannot tell which of these it was trained on, and " +
			"the parts, by its split rule, mean nothing for pictures of another folder"
	case m.Seen.Images == 0:
		said = "the model was trained or tuned on none of these pictures"
	case m.Unseen.Images == 0:
		said = "the model was trained or tuned on all of these pictures"
	default:
		parts.add("seen", *m.Seen)
		parts.add("unseen", *m.Unseen)
		said = "seen are the pictures that the model was trained or tuned on"
	}
	parts.add("train", m.Train)
	parts.add("validation", m.Validation)
	parts.add("test", m.Test)
	a.printTable(&parts.table, "")
	a.sayWrapped("%s", said)
	a.printAverages(m)
}

// partTable is the accuracy on parts of the pictures.
type partTable struct {
	table
	weighted bool
}

func (a *app) partTable() *partTable {
	t := &partTable{table: table{head: []string{"part", "pictures", "right", "accuracy", "95 % interval"}, right: "lrrrl"}}
	t.paint = func(column int, _, text string) string {
		if column == 3 {
			return a.paint(bold, text)
		}
		return text
	}
	return t
}

// add adds a part, nothing of one without pictures.
func (t *partTable) add(name string, p metrics.Part) {
	if p.Images == 0 {
		return
	}
	if p.Weighted != nil && !t.weighted {
		t.weighted, t.head, t.right = true, append(t.head, "weighted"), t.right+"r"
	}
	cells := []string{name, strconv.Itoa(p.Images), strconv.Itoa(p.Correct), percent(p.Accuracy),
		fmt.Sprintf("%.2f to %.2f", 100*p.Interval[0], 100*p.Interval[1])}
	if p.Weighted != nil {
		cells = append(cells, percent(p.Weighted.Accuracy))
	}
	t.row(cells...)
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

// printAverages prints what puts the accuracy in its place.
func (a *app) printAverages(m *metrics.Metrics) {
	on := "the " + m.ConfusionPart
	if m.ConfusionPart == "all" {
		on = "all"
	}
	if v := m.Averages; v != nil {
		a.sayWrapped("on %s pictures balanced accuracy %.2f %%, macro F1 %.3f; always answering %q would be right for "+
			"%.2f %%", on, 100*v.Balanced, v.MacroF1, a.named(v.LargestLabel), 100*v.LargestAccuracy)
	}
	if s := m.MultiLabel; s != nil {
		a.sayWrapped("accuracy counts pictures whose every label is right; on %s pictures micro F1 %.3f, macro F1 %.3f, "+
			"mean average precision %.3f, %.2f %% of the decisions wrong", on, s.MicroF1, s.MacroF1, s.MeanAP,
			100*s.HammingLoss)
	}
}

// printUnknown says what a line for unknown pictures will catch, and at what price.
func (a *app) printUnknown(u *metrics.Unknown) {
	if u == nil {
		return
	}
	text := fmt.Sprintf("unknown pictures: the line costs %.1f %% of the known ones", 100*u.FalseReject)
	if u.Test != nil {
		text += fmt.Sprintf(" (%.1f %% of the test pictures)", 100**u.Test)
	}
	if u.Detected != nil {
		text += fmt.Sprintf("; of labels left out, one after another, it catches %.0f %% of the pictures", 100**u.Detected)
	}
	a.sayWrapped("%s", text)
	for _, l := range u.LeftOut[:min(len(u.LeftOut), longestFindings)] {
		a.sayWrapped("  without %q it catches %.0f %% of its %s", a.named(l.Label), 100*l.Detected,
			plural.Count(l.Images, "picture"))
	}
}

// printClasses prints what is measured of each label.
func (a *app) printClasses(classes []metrics.Class) {
	t := table{head: []string{"label", "pictures", "precision", "", "recall", "", "F1"}, right: "lrrlrlr"}
	several := len(classes) > 0 && classes[0].Threshold != nil
	if several {
		t.head, t.right = append(t.head, "average", "from"), t.right+"rr"
	}
	between := func(v *[2]float64) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf("%.2f-%.2f", v[0], v[1])
	}
	for _, c := range classes {
		cells := []string{c.Label, strconv.Itoa(c.Measured), fmt.Sprintf("%.3f", c.Precision),
			between(c.PrecisionInterval), fmt.Sprintf("%.3f", c.Recall), between(c.RecallInterval),
			fmt.Sprintf("%.3f", c.F1)}
		if several {
			ap := "-"
			if c.AveragePrecision != nil {
				ap = fmt.Sprintf("%.3f", *c.AveragePrecision)
			}
			cells = append(cells, ap, fmt.Sprintf("%.3f", *c.Threshold))
		}
		t.row(cells...)
	}
	a.say("")
	a.printTable(&t, "")
	text := "behind precision and recall stand their 95 % intervals"
	if several {
		text += "; average is the average precision, from the probability that the label is given from"
	}
	a.sayWrapped("%s", text)
}
