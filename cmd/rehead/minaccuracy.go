package main

import "github.com/spf13/cobra"

// addMinAccuracy adds --min-accuracy.
func addMinAccuracy(cmd *cobra.Command, least *float64) {
	cmd.Flags().Float64Var(least, "min-accuracy", 0,
		"accuracy, 0 to 1, below which the command fails (exit code 1) once everything is written: of the test pictures, "+
			"else of the validation ones, else of all; each picture counts once, weights are ignored, and with several "+
			"labels all have to be right")
}

func checkMinAccuracy(least float64) error {
	if !(least >= 0 && least <= 1) {
		return usagef("--min-accuracy: got %g, want 0 (any) to 1", least)
	}
	return nil
}
