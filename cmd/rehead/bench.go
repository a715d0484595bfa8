package main

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// spread summarises timings.
type spread struct {
	Min    float64 `json:"min"`
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
}

func newSpread(v []float64) spread {
	slices.Sort(v)
	total := 0.0
	for _, x := range v {
		total += x
	}
	return spread{v[0], total / float64(len(v)), v[len(v)/2], v[min(len(v)-1, len(v)*99/100)]}
}

// perSecond is how many images a second that makes, if v are milliseconds an image: of all of them
// together, slow ones too, as `bench serve` counts.
func (s spread) perSecond() float64 { return 1e3 / s.Mean }

func newBench(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine",
		Long: `Measures the network, decoding, the fit of a head or a running server.
docs/performance.md has the figures of two machines.`,
		Args: needArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchForward(a), newBenchDecode(a), newBenchTrain(a), newBenchServe(a))
	return cmd
}

// peakRSS is the most memory this process has held, in MB (1e6 bytes): the kernel's own figure on
// Linux, Go's elsewhere.
func peakRSS() float64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				if kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64); err == nil {
					return kb * 1024 / 1e6
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys) / 1e6
}
