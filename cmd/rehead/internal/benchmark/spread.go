// Package benchmark times what the commands below `rehead bench` report.
package benchmark

import "slices"

// Spread summarises timings.
type Spread struct {
	Min    float64 `json:"min"`
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
}

func newSpread(v []float64) Spread {
	slices.Sort(v)
	total := 0.0
	for _, x := range v {
		total += x
	}
	return Spread{v[0], total / float64(len(v)), v[len(v)/2], v[min(len(v)-1, len(v)*99/100)]}
}

// perSecond is how many images a second that makes, if v are milliseconds an image: of all of them
// together, slow ones too, as `bench serve` counts.
func (s Spread) perSecond() float64 { return 1e3 / s.Mean }
