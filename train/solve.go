package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/train/head"
)

// roughTolerance is the share of the loss that heads may be above the least which only serve to tell
// settings, temperatures or labels apart.
const roughTolerance = 1e-5

// solve fits the head and its temperature.
func (r *run) solve(ctx context.Context) error {
	valid, _ := r.part(dataset.Validation)
	training, at := r.part(dataset.Train)
	cfg := head.Config{Options: r.cfg.Options, Balanced: r.cfg.ClassWeights.Balanced, Validation: &valid,
		Threads: r.cfg.Engine.Threads, Progress: r.watch, DeviceProducts: r.cfg.HeadDeviceProducts, Snapshots: true}
	cfg.Device, cfg.DeviceAlways = r.cfg.headDevice()
	var err error
	if cfg.ClassWeights, err = r.cfg.ClassWeights.factors(r.folder.Labels); err != nil {
		return err
	}
	if r.cfg.WarmStart != nil {
		if r.start, err = r.warmStart(); err != nil {
			return err
		}
		cfg.Start = r.start
	}
	if r.cfg.L2 < 0 {
		if cfg.Folds, err = r.deal(r.items, at, cmp.Or(r.cfg.Folds, DefaultFolds)); err != nil {
			return fmt.Errorf("train: search: %w", err)
		}
	}
	fit, err := head.Fit(ctx, training, cfg)
	if err != nil {
		return err
	}
	r.res.Fit, r.res.trained = fit, len(training.Rows)
	if fit.Solver == head.LBFGS && fit.Snapshots == nil {
		r.res.solveAgain = fromNothing(fit, training, cfg)
	}
	r.res.Notes = append(r.res.Notes, fitNotes(fit)...)
	logits, err := head.Logits(ctx, fit.Head, valid.Rows, r.cfg.Engine.Threads)
	if err != nil {
		return err
	}
	if r.crossed, err = r.crossValidate(ctx, cfg, logits); err != nil {
		return err
	}
	if r.crossed != nil {
		r.temp = head.FitTemperature(r.crossed.logits, r.crossed.ex)
	} else {
		r.temp = head.FitTemperature(logits, valid)
	}
	if r.folder.MultiLabel {
		r.thresholds = head.FitThresholds(logits, valid, r.temp)
	}
	return nil
}

// fromNothing solves for what a fit came to, all the way, with the heads on it.
func fromNothing(fit *head.Solution, training head.Examples, cfg head.Config) func(context.Context) (*head.Solution,
	error) {
	cfg.L2, cfg.Scaling, cfg.Checkpoints = fit.L2, fit.Scaling, head.Checkpoints{}
	cfg.Folds, cfg.Validation, cfg.Progress = nil, nil, nil
	if len(fit.Tried) > 0 {
		cfg.Start = nil
	}
	return func(ctx context.Context) (*head.Solution, error) { return head.Fit(ctx, training, cfg) }
}

// fitNotes says what is unusual about a fit.
func fitNotes(fit *head.Solution) (notes []string) {
	if fit.Solver == head.LBFGS && !fit.Converged {
		notes = append(notes,
			fmt.Sprintf("the head's solver stopped after %d iterations with a loss that may be %.2g of %.4g above the least, "+
				"want %.2g of it or less; its accuracy may suffer", fit.Iterations, fit.Gap, fit.Loss, fit.Tolerance))
	}
	if fit.Device != "cpu" {
		notes = append(notes, "the head was solved on "+fit.Device)
	}
	if fit.DeviceErr != nil {
		notes = append(notes, fmt.Sprintf("the head was solved by the processor: %v", fit.DeviceErr))
	}
	if note := gridEnd(fit); note != "" {
		notes = append(notes, note)
	}
	if fit.CheckpointErr != nil {
		notes = append(notes,
			fmt.Sprintf("no checkpoint could be written, so that this run could not have gone on after a stop: %v",
				pathless(fit.CheckpointErr)))
	}
	return notes
}

// gridEnd says so where the best L2 that a search tried is the strongest or the weakest.
func gridEnd(fit *head.Solution) string {
	least, most := fit.L2, fit.L2
	for _, c := range fit.Tried {
		if c.Scaling == fit.Scaling {
			least, most = min(least, c.L2), max(most, c.L2)
		}
	}
	end := "weakest"
	switch {
	case least == most:
		return ""
	case fit.L2 == most:
		end = "strongest"
	case fit.L2 != least:
		return ""
	}
	return fmt.Sprintf("the best L2, %.4g, is the %s of the grid that was tried: beyond it little was gained, "+
		"set L2 to try others", fit.L2, end)
}

// watch passes the solver's progress on, and notes how long its phases take.
func (r *run) watch(e head.Event) {
	r.res.Seconds[e.Phase] = e.Elapsed.Seconds()
	if r.cfg.Progress != nil {
		r.cfg.Progress(Event{Event: e})
	}
}

// deal deals the training pictures among items to k folds: by label, groups and equal pictures
// together, each picture's views with it (-1-fold). at is the place in r.items of every example.
func (r *run) deal(items []dataset.Item, at []int, k int) ([]int, error) {
	f := r.good()
	f.Items = items
	deal, err := f.FoldsTogether(k, r.cfg.Split.Salt, dataset.Same{Sums: r.sums, Near: r.near()})
	if err != nil {
		return nil, err
	}
	used := map[int]int{} // folds that have no picture are passed over
	out := make([]int, len(at))
	seen := make(map[int]bool, len(at))
	for j, i := range at {
		place, ok := used[deal[i]]
		if !ok {
			place = len(used)
			used[deal[i]] = place
		}
		if out[j] = place; seen[i] {
			out[j] = -1 - place
		}
		seen[i] = true
	}
	return out, nil
}

// near is nearGroups of the pictures that have a bottleneck, by their place in r.items.
func (r *run) near() [][]int {
	place := make(map[string]int, len(r.items))
	for i, it := range r.items {
		place[it.Path] = i
	}
	var out [][]int
	for _, group := range nearGroups(r.folder.Items, r.res.Checkup.Same().Near) {
		var here []int
		for _, i := range group {
			if at, ok := place[r.folder.Items[i].Path]; ok {
				here = append(here, at)
			}
		}
		if len(here) > 1 {
			out = append(out, here)
		}
	}
	return out
}

// pathless is what the system said of a file without where the file is, so that equal runs have
// equal reports.
func pathless(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
