package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/train"
)

// addGate adds --min-accuracy.
func addGate(cmd *cobra.Command, least *float64) {
	cmd.Flags().Float64Var(least, "min-accuracy", 0,
		"accuracy, 0 to 1, below which the command fails (exit code 1) once everything is written: of the test pictures, "+
			"else of the validation ones, else of all; each picture counts once, whatever its weight, and with several "+
			"labels all have to be right")
}

func checkGate(least float64) error {
	if !(least >= 0 && least <= 1) {
		return usagef("--min-accuracy: got %g, want 0 (any) to 1", least)
	}
	return nil
}

// longestFindings is how many findings are printed for people.
const longestFindings = 12

// printFindings prints what the checks before a run found, the worst first; --json and the report
// have all of it.
func (a *app) printFindings(c *doctor.Checkup, notes []string) {
	var lines []string
	if c != nil {
		for _, severity := range []doctor.Severity{doctor.Fatal, doctor.Warning, doctor.Note} {
			for _, f := range c.Findings {
				if f.Severity == severity {
					lines = append(lines, string(f.Severity)+": "+f.Message)
				}
			}
		}
	}
	for _, n := range notes {
		lines = append(lines, "note: "+n)
	}
	for _, l := range lines[:min(len(lines), longestFindings)] {
		a.say("%s", oneLine(errors.New(l)))
	}
	if n := len(lines) - longestFindings; n > 0 {
		a.say("and %d more: see --json, the report or rehead doctor", n)
	}
}

// printMetricLines prints the lines that SageMaker's metric definitions find by
// train:accuracy=(\S+) and the like.
func (a *app) printMetricLines(m *train.Metrics) {
	for _, p := range []struct {
		name string
		part train.Part
	}{{"train", m.Train}, {"validation", m.Validation}, {"test", m.Test}} {
		if p.part.Images > 0 {
			a.say("%[1]s:accuracy=%[2]s %[1]s:loss=%[3]s", p.name, sixDigits(p.part.Accuracy), sixDigits(p.part.LogLoss))
		}
	}
}

// partFlags are the values of --part.
var partFlags = [...]string{"all", "train", "validation", "test"}

func checkPart(part string) error {
	if !slices.Contains(partFlags[:], part) {
		return usagef("--part: got %q, want all, train, validation or test", part)
	}
	return nil
}
