package main

import "github.com/spf13/cobra"

func newBench(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine",
		Long: `Measures the network, decoding, the fit of a head or a running server.
docs/performance.md has the figures of two machines.`,
		Example: `  rehead bench forward --threads 2
  rehead bench decode flower_photos`,
		Args: needCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchForward(a), newBenchDecode(a), newBenchTrain(a), newBenchServe(a))
	return cmd
}
