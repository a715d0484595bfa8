package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/train/report"
)

// reportWork is the number of multiplications and additions that one piece of a report may take:
// some seconds.
const reportWork = 1e11

// fitWork estimates the multiplications and additions of a fit to n examples.
func fitWork(n, features, classes, iterations int) float64 {
	return 4 * float64(n) * float64(features) * float64(classes) * float64(max(iterations, 1))
}

// Report makes the run's report: see report.Make. It spends some seconds of computing on the
// learning curve; where that would take longer it does less, and says so.
//
// The result must come from Run. Report reads it only; a failure, ctx's end among them, leaves it
// as good as it was.
func (r *Result) Report(ctx context.Context) (*report.Page, error) {
	in, err := r.reportInput(ctx)
	if err != nil {
		return nil, fmt.Errorf("train: report: %w", err)
	}
	return report.Make(ctx, in)
}

// Plots draws the report's charts: see report.Plots. The result must come from Run.
func (r *Result) Plots(ctx context.Context) ([]report.Plot, error) {
	in, err := r.reportInput(ctx)
	if err != nil {
		return nil, fmt.Errorf("train: plots: %w", err)
	}
	return report.Plots(ctx, in)
}

// dataName is what people call a folder, an archive or a list of pictures; "" where its path has no name.
func dataName(root string) string {
	name := filepath.Base(root)
	if name == "." || name == ".." || name == string(filepath.Separator) {
		return ""
	}
	for _, end := range []string{".gz", ".tar", ".tgz", ".zip", ".csv", ".jsonl", ".json", ".lst"} {
		name = strings.TrimSuffix(name, end)
	}
	return name
}

// reportInput is what the report shows. A report is never worth a trained model: it makes a panic a
// failure.
func (r *Result) reportInput(ctx context.Context) (in *report.Input, err error) {
	if r == nil || r.Model == nil || len(r.report.Rows) == 0 || len(r.report.Rows) != len(r.Pictures) {
		return nil, errors.New("got a result without its bottlenecks, want one that Run returned")
	}
	defer func() {
		if p := recover(); p != nil {
			in, err = nil, errors.New("what was measured does not belong together")
		}
	}()
	full := r.report
	full.Metrics, full.Pictures, full.Model = &r.Metrics, r.Pictures, r.Model
	full.Problems, full.Notes = r.Problems, r.Notes
	if r.Checkup != nil {
		full.Near = r.Checkup.NearDuplicates
	}
	if full.Learning, err = r.learning(ctx); err != nil {
		return nil, err
	}
	return &full, nil
}

// Report makes the evaluation's report, as Result.Report does: accuracies, calibration,
// confusion matrix, labels, the worst mistakes with their activation maps and the training
// pictures, of those that the model keeps, that are most like them, a map of the bottlenecks,
// duplicates and files left out. The same evaluation gives the same page.
//
// The evaluation must come from Evaluate. Report reads it only.
func (v *Evaluation) Report(ctx context.Context) (*report.Page, error) {
	in, err := v.reportInput()
	if err != nil {
		return nil, fmt.Errorf("train: report: %w", err)
	}
	return report.Make(ctx, in)
}

// Plots draws the evaluation's charts, those of Result.Plots without the solver's.
func (v *Evaluation) Plots(ctx context.Context) ([]report.Plot, error) {
	in, err := v.reportInput()
	if err != nil {
		return nil, fmt.Errorf("train: plots: %w", err)
	}
	return report.Plots(ctx, in)
}

func (v *Evaluation) reportInput() (*report.Input, error) {
	if v == nil || v.report.Model == nil || len(v.report.Rows) == 0 || len(v.report.Rows) != len(v.Pictures) {
		return nil, errors.New("got an evaluation without its bottlenecks, want one that Evaluate returned")
	}
	full := v.report
	full.Metrics, full.Pictures, full.Problems = &v.Metrics, v.Pictures, v.Problems
	return &full, nil
}
