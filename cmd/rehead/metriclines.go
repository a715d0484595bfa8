package main

import "github.com/c236555e/rehead/train/metrics"

// printMetricLines prints the lines that SageMaker's metric definitions find by
// train:accuracy=(\S+) and the like.
func (a *app) printMetricLines(m *metrics.Metrics) {
	for _, p := range []struct {
		name string
		part metrics.Part
	}{{"train", m.Train}, {"validation", m.Validation}, {"test", m.Test}} {
		if p.part.Images > 0 {
			a.note("%[1]s:accuracy=%[2]s %[1]s:loss=%[3]s", p.name, sixDigits(p.part.Accuracy), sixDigits(p.part.LogLoss))
		}
	}
}

// printOtherMetricLines prints more lines that metric definitions look for: those of the built-in
// algorithms and of retrain.py.
func (a *app) printOtherMetricLines(m *metrics.Metrics) {
	a.note("Epoch[0] Train-accuracy=%.6f", m.Train.Accuracy)
	if m.Validation.Images > 0 {
		a.note("Epoch[0] Validation-accuracy=%.6f", m.Validation.Accuracy)
		a.note("loss: %.4f - accuracy: %.4f - val_loss: %.4f - val_accuracy: %.4f", m.Train.LogLoss, m.Train.Accuracy,
			m.Validation.LogLoss, m.Validation.Accuracy)
	}
	if m.Test.Images > 0 {
		a.note("Final test accuracy = %.1f%% (N=%d)", 100*m.Test.Accuracy, m.Test.Images)
	}
}
