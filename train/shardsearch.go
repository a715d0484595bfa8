package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/c236555e/rehead/train/head"
)

// mostL2 bounds how many values of L2 are tried on shards: each is a fit of its own.
const mostL2 = 8

// halfTens is 10^(n/2), nearly: 1, 3, 10, 30, and 0.3, 0.1, 0.03 the other way.
func halfTens(n int) float64 {
	m := 1.0
	if n&1 != 0 {
		m, n = 3, n-1
	}
	return m * math.Pow10(n/2)
}

// solve fits the head, or where L2 is to be searched for, one head after the other: from the default on down,
// as the best falls where rows are many, as long as the validation part's loss falls, and up where it rises at
// once. That part is measured in the passes that a fit makes anyway.
func (r *shardRun) solve(ctx context.Context, src *shardSource, sc head.StreamConfig) (err error) {
	if sc.L2 >= 0 {
		r.fit, err = head.FitStream(ctx, src, sc)
		return err
	}
	var tried []head.Choice
	var fits []*head.Solution
	lost := math.Inf(1)
	try := func(n int) (better bool, err error) {
		of := sc
		of.L2 = halfTens(n) * head.DefaultL2(sc.Classes)
		fit, err := head.FitStream(ctx, src, of)
		if err != nil {
			return false, err
		}
		v := fit.Validation
		if v.Rows == 0 {
			return false, errors.New("train: shards: L2 is chosen by the validation part, which has no row: give a number, " +
				"or a validation part")
		}
		tried = append(tried, head.Choice{Scaling: fit.Scaling, L2: fit.L2, ValidationLogLoss: v.Loss,
			ValidationAccuracy: float64(v.Right) / float64(v.Rows)})
		fits = append(fits, &fit.Solution)
		if better = v.Loss < lost; better {
			lost, r.fit = v.Loss, fit
		}
		return better, nil
	}
	step := -1
	for n := 0; len(tried) < mostL2; n += step {
		better, err := try(n)
		if err != nil {
			return err
		}
		if !better && len(tried) == 2 {
			step, n = 1, 0
		} else if !better {
			break
		}
	}
	r.fit.Tried = tried
	for _, f := range fits {
		if f != &r.fit.Solution {
			r.res.others = append(r.res.others, f)
		}
	}
	if last := tried[len(tried)-1]; len(tried) == mostL2 && last.L2 == r.fit.L2 {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("the best L2 of %d is the last one tried, %.2g: another may do better",
			mostL2, last.L2))
	}
	return nil
}
