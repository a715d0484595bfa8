package report

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
)

// facts says what the model was made from and how.
func (in *Input) facts() []fact {
	m, s := in.Model, in.Learning.Solution
	split := func(f float64) string {
		if f < 0 {
			return "none"
		}
		return percent(f)
	}
	how := "quotas of each label, in the order of a hash of label and path"
	switch {
	case m.Split.Legacy:
		how = "TensorFlow's retrain.py's rule"
	}
	if m.Split.Salt != "" {
		how += fmt.Sprintf(", salted with %q", m.Split.Salt)
	}
	given := 0
	for _, it := range in.Items {
		if it.Fixed {
			given++
		}
	}
	if given > 0 {
		how += fmt.Sprintf("; given for %d of the pictures", given)
	}
	facts := []fact{
		{"Pictures used", fmt.Sprintf("%d of %d labels", in.Metrics.Images, in.Metrics.Classes)},
		{"Unreadable pictures", fmt.Sprint(in.Metrics.Quarantined)},
		{"Exact duplicates", fmt.Sprint(in.Metrics.Duplicates)},
		{"Split", fmt.Sprintf("validation %s, test %s, by %s", split(m.Split.Validation), split(m.Split.Test), how)},
		{"Solver", fmt.Sprintf("%s, %d iterations, loss and gradient computed %d times%s, largest component of "+
			"the gradient %.2g", s.Solver, s.Iterations, s.Evaluations, converged(s), s.Gradient)},
		{"L2", fmt.Sprintf("%.4g on features scaled %q", s.L2, s.Scaling)},
	}
	return append(append(facts, modelFacts(m)...), in.environment())
}

// environment says what the numbers were computed with.
func (in *Input) environment() fact {
	return fact{"Computed with", fmt.Sprintf("%s kernels, %s/%s, %s", cmp.Or(in.Engine.Kernel, nn.Kernels()[0]),
		runtime.GOOS, runtime.GOARCH, runtime.Version())}
}

// modelFacts says what a model is.
func modelFacts(m *inception.Model) []fact {
	activation := "softmax"
	if m.MultiLabel() {
		activation = "sigmoids"
	}
	facts := []fact{
		{"Trunk", fmt.Sprintf("InceptionV3, %s, width %g, %s, frozen", m.Flavor, m.Width, m.Precision())},
		{"Trunk's SHA-256", m.TrunkDigest},
		{"Input", m.Recipe.Describe()},
		{"Features", fmt.Sprintf("%d: %v", m.Head.Features, m.Reads)},
		{"Head", fmt.Sprintf("%s, %d weights and biases", activation, len(m.Head.W)+len(m.Head.B))},
		{"Temperature", fmt.Sprintf("%.4g", m.Temperature)},
		{"Seed", fmt.Sprint(m.Seed)},
	}
	if m.ToolVersion != "" {
		facts = append(facts, fact{"Made by", "rehead " + m.ToolVersion})
	}
	return facts
}

// converged says how far the loss may be above the least one.
func converged(s *head.Solution) string {
	switch {
	case s.Gap == 0:
		return ""
	case s.Converged:
		return fmt.Sprintf(", converged: the loss is proven to be at most %.2g above the least", s.Gap)
	}
	return fmt.Sprintf(", not converged: the loss may be up to %.2g above the least", s.Gap)
}
