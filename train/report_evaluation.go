package train

import (
	"context"
	"errors"
	"fmt"
)

// Report writes the evaluation as one HTML file, as Result.Report does: accuracies, calibration,
// confusion matrix, labels, the worst mistakes with their activation maps and the training
// pictures, of those that the model keeps, that are most like them, a map of the bottlenecks,
// duplicates and files left out. The same evaluation gives the same bytes.
//
// The evaluation must come from Evaluate. Report reads it only.
func (v *Evaluation) Report(ctx context.Context) ([]byte, error) {
	return guarded("report", func() ([]byte, error) {
		if err := v.whole(); err != nil {
			return nil, err
		}
		p, err := v.page(ctx)
		if err != nil {
			return nil, err
		}
		return p.html()
	})
}

// Plots draws the evaluation's charts, those of Result.Plots without the solver's.
func (v *Evaluation) Plots(ctx context.Context) ([]Plot, error) {
	return guarded("plots", func() ([]Plot, error) {
		if err := v.whole(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		return v.evidence.plots(&v.Metrics, v.Pictures, v.model.Labels, nil)
	})
}

// whole asks that the evaluation has what Evaluate leaves behind.
func (v *Evaluation) whole() error {
	if v.model == nil || len(v.evidence.rows) == 0 || len(v.evidence.rows) != len(v.Pictures) {
		return errors.New("got an evaluation without its bottlenecks, want one that Evaluate returned")
	}
	return nil
}

// page gathers everything.
func (v *Evaluation) page(ctx context.Context) (*page, error) {
	e := &v.evidence
	p := e.page(&v.Metrics, v.Pictures, v.model, v.Problems)
	p.Title = "Evaluation report"
	p.Lead = fmt.Sprintf("%s, measured on %d pictures.", describeHead(v.model), v.Images)
	p.Facts = append([]fact{
		{"Pictures measured", fmt.Sprintf("%d, %s", v.Images, partWords(v.ConfusionPart))},
		{"Unreadable pictures", fmt.Sprint(v.Quarantined)},
		{"Exact duplicates", fmt.Sprint(v.Duplicates)},
	}, append(modelFacts(v.model), e.environment())...)
	if v.ConfusionPart == "all" {
		p.Cards = []card{partCard("", v.All)}
		p.Notes = []string{"The parts follow the split rule that the model stores: they are those of its training if these " +
			"are the pictures that it was trained on, and mean nothing if they are not."}
	}
	p.Mistakes = e.mistakes(v.Pictures, false)
	if err := e.activations(ctx, v.model, p.Mistakes.List, true); err != nil {
		return nil, err
	}
	return p, e.thumbnails(ctx, v.model.Recipe, p.pictures())
}

// partWords says which pictures were measured.
func partWords(part string) string {
	if part == "all" {
		return "all of the folder"
	}
	return "the " + part + " part by the split rule that the model stores"
}
