package main

import (
	"math"
	"os"

	"github.com/c236555e/rehead/cmd/rehead/internal/tensorboard"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/metrics"
)

// board writes a run's way as TensorBoard's events; nil writes nothing.
type board struct {
	w    *tensorboard.Writer
	told int // the last iteration with a loss
}

// newBoard makes the event file in dir; nil where dir is "".
func newBoard(dir string) (*board, error) {
	if dir == "" {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // only the file's name has it
	}
	w, err := tensorboard.Create(tensorboard.Config{Dir: dir, Host: host})
	if err != nil {
		return nil, err
	}
	return &board{w: w, told: -1}, nil
}

// watch returns a Progress that writes the solver's moments and calls next.
func (b *board) watch(next func(train.Event)) func(train.Event) {
	if b == nil {
		return next
	}
	return func(e train.Event) {
		b.event(e)
		next(e)
	}
}

// event writes a moment of the solver: the losses once an iteration, accuracies where they were
// measured.
func (b *board) event(e train.Event) {
	if e.Phase != train.PhaseFit {
		return
	}
	var values []tensorboard.Scalar
	if e.Done != b.told {
		values = append(values, tensorboard.Scalar{Tag: "train/loss", Value: e.Loss})
		if !math.IsNaN(e.ValidationLoss) {
			values = append(values, tensorboard.Scalar{Tag: "validation/loss", Value: e.ValidationLoss})
		}
		b.told = e.Done
	}
	for _, s := range []tensorboard.Scalar{{Tag: "train/accuracy", Value: e.TrainAccuracy},
		{Tag: "validation/accuracy", Value: e.ValidationAccuracy}} {
		if !math.IsNaN(s.Value) {
			values = append(values, s)
		}
	}
	b.w.Scalars(e.Done, values...)
}

// finish writes what the run ended with.
func (b *board) finish(r *train.Result) {
	if b == nil {
		return
	}
	step, m := r.Fit.Iterations, &r.Metrics
	var values []tensorboard.Scalar
	add := func(name string, v float64) {
		values = append(values, tensorboard.Scalar{Tag: "final/" + name, Value: v})
	}
	for _, p := range []struct {
		name string
		part metrics.Part
	}{{"train", m.Train}, {"validation", m.Validation}, {"test", m.Test}} {
		if p.part.Images > 0 {
			add(p.name+"_accuracy", p.part.Accuracy)
			add(p.name+"_log_loss", p.part.LogLoss)
		}
	}
	if m.ROCAUC != nil {
		add("roc_auc", *m.ROCAUC)
	}
	if s := m.MultiLabel; s != nil {
		add("micro_f1", s.MicroF1)
		add("macro_f1", s.MacroF1)
		add("mean_average_precision", s.MeanAP)
	}
	add("ece", m.ECE)
	add("ece_uncalibrated", m.ECEUncalibrated)
	add("temperature", m.Temperature)
	b.w.Scalars(step, values...)
	b.w.Histogram(step, "head/weights", r.Model.Head.W)
	b.w.Histogram(step, "head/biases", r.Model.Head.B)
}

// close ends the file and returns the first failure.
func (b *board) close() error {
	if b == nil {
		return nil
	}
	return b.w.Close()
}
