package main

import (
	"encoding/json"
	"fmt"

	"github.com/c236555e/rehead/dataset/source"
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

func (a *app) printTrained(r *train.Result, out string) {
	a.printProblems(r.Problems)
	a.printFindings(r.Checkup, r.Notes)
	a.say("%d bottlenecks computed, %d from the cache", r.Embedded, r.Cached)
	a.printParts(&r.Metrics)
	a.say("model written to %s", out)
}

func (a *app) printProblems(problems []source.Problem) {
	if len(problems) == 0 {
		return
	}
	a.say("%d files were left out:", len(problems))
	for _, p := range problems {
		a.say("  %s: %s", p.Path, p.Reason)
	}
}

// printParts prints the accuracy on each part that has pictures.
func (a *app) printParts(m *metrics.Metrics) {
	a.printPart("train", m.Train)
	a.printPart("validation", m.Validation)
	a.printPart("test", m.Test)
	if m.CrossValidated != nil {
		a.printPart("cross-val.", *m.CrossValidated)
		a.say("cross-val. are the train and validation pictures, each answered by a head that was trained without it")
	}
	a.printAverages(m)
}

// printEvaluated prints the accuracy on all pictures, then on what the model had seen and what not.
func (a *app) printEvaluated(m *metrics.Metrics) {
	if m.ConfusionPart == "all" {
		a.printPart("all", m.All)
	}
	switch {
	case m.Seen == nil:
		a.say("the model does not remember its training pictures: it cannot tell which of these it was trained on, and " +
			"the parts, by its split rule, mean nothing for pictures of another folder")
	case m.Seen.Images == 0:
		a.say("the model was trained or tuned on none of these pictures")
	case m.Unseen.Images == 0:
		a.say("the model was trained or tuned on all of these pictures")
	default:
		a.printPart("seen", *m.Seen)
		a.printPart("unseen", *m.Unseen)
		a.say("seen are the pictures that the model was trained or tuned on")
	}
	a.printPart("train", m.Train)
	a.printPart("validation", m.Validation)
	a.printPart("test", m.Test)
	a.printAverages(m)
}

// printPart prints the accuracy of a part, nothing of one without pictures.
func (a *app) printPart(name string, p metrics.Part) {
	if p.Images > 0 {
		a.say("%-10s accuracy %6.2f %%  (95 %% interval %.2f to %.2f; %d of %d pictures)%s", name, 100*p.Accuracy,
			100*p.Interval[0], 100*p.Interval[1], p.Correct, p.Images, weighted(p))
	}
}

// printAverages prints what puts the accuracy in its place.
func (a *app) printAverages(m *metrics.Metrics) {
	if v := m.Averages; v != nil {
		on := "the " + m.ConfusionPart
		if m.ConfusionPart == "all" {
			on = "all"
		}
		a.sayWrapped("on %s pictures balanced accuracy %.2f %%, macro F1 %.3f; always answering %q would be right for "+
			"%.2f %%", on, 100*v.Balanced, v.MacroF1, v.LargestLabel, 100*v.LargestAccuracy)
	}
	if s := m.MultiLabel; s != nil {
		a.say("accuracy counts pictures whose every label is right; on the %s pictures micro F1 %.3f, macro F1 %.3f, mean "+
			"average precision %.3f, %.2f %% of the decisions wrong",
			m.ConfusionPart, s.MicroF1, s.MacroF1, s.MeanAP, 100*s.HammingLoss)
	}
}

// weighted is what weights make of a part's accuracy, "" where pictures have none.
func weighted(p metrics.Part) string {
	if p.Weighted == nil {
		return ""
	}
	return fmt.Sprintf("; weighted %.2f %%", 100*p.Weighted.Accuracy)
}

// multiLabelScores is what more is known of a label of a multi-label model, "" elsewhere.
func multiLabelScores(c metrics.Class) string {
	if c.Threshold == nil {
		return ""
	}
	ap := "-"
	if c.AveragePrecision != nil {
		ap = fmt.Sprintf("%.3f", *c.AveragePrecision)
	}
	return fmt.Sprintf("  average precision %s, given from %.3f on", ap, *c.Threshold)
}
