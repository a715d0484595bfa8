package head

import (
	"context"
	"fmt"
	"runtime"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn"
)

// Logits returns the logits [n,K] of bottlenecks, computed as a classifier does.
func Logits(ctx context.Context, head inception.Head, rows [][]float32, threads int) ([]float64, error) {
	if err := head.Validate(); err != nil {
		return nil, fmt.Errorf("train: head: %w", err)
	}
	out := make([]float64, len(rows)*head.Classes)
	err := par.Each(ctx, threads, len(rows), func(_, i int) error {
		return head.Logits(rows[i], out[i*head.Classes:(i+1)*head.Classes])
	})
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("train: head: %w", err)
	}
	return out, nil
}

// accuracy returns the part of ex that the head gets right, or nearly so: it is for progress,
// and computes in float32 for speed.
func accuracy(ctx context.Context, head inception.Head, ex Examples, threads int) (acc float64, err error) {
	right := 0
	err = eachAnswer(ctx, head, ex.Rows, threads, func(i int, logits []float32) {
		if isRight(logits, ex, i) {
			right++
		}
	})
	return float64(right) / float64(len(ex.Rows)), err
}

// fewProducts is the number of multiplications below which compiling a program takes longer than it
// saves.
const fewProducts = 1e7

// meanLoss returns the weighted mean cross entropy of ex, and accuracy; in float32 where that
// is faster, which follows from the shape alone: the same bits however many threads there are.
func meanLoss(ctx context.Context, head inception.Head, ex Examples, threads int) (loss, acc float64, err error) {
	if float64(len(ex.Rows))*float64(head.Classes)*float64(head.Features) <= fewProducts {
		logits, err := Logits(ctx, head, ex.Rows, threads)
		if err != nil {
			return 0, 0, err
		}
		loss, right := score(logits, ex, 1)
		return loss, float64(right) / float64(len(ex.Rows)), nil
	}
	right, total, wide := 0, 0.0, make([]float64, head.Classes)
	err = eachAnswer(ctx, head, ex.Rows, threads, func(i int, logits []float32) {
		for k, z := range logits {
			wide[k] = float64(z)
		}
		loss += ex.weight(i) * ex.entropy(i, wide, 1)
		total += ex.weight(i)
		if isRight(logits, ex, i) {
			right++
		}
	})
	return loss / total, float64(right) / float64(len(ex.Rows)), err
}

// eachAnswer calls do with the logits [K] of each row in turn, computed in float32.
func eachAnswer(ctx context.Context, head inception.Head, rows [][]float32, threads int,
	do func(i int, logits []float32)) (err error) {
	prog, err := program(head, threads)
	if err != nil {
		return fmt.Errorf("train: head: %w", err)
	}
	defer func() {
		if cerr := prog.Close(); err == nil {
			err = cerr
		}
	}()
	most := min(chunkRows, len(rows))
	x, y := make([]float32, most*head.Features), make([]float32, most*head.Classes)
	for lo := 0; lo < len(rows); lo += most {
		hi := min(lo+most, len(rows))
		for i, row := range rows[lo:hi] {
			copy(x[i*head.Features:(i+1)*head.Features], row)
		}
		if err := prog.Run(ctx, hi-lo, x[:(hi-lo)*head.Features], y[:(hi-lo)*head.Classes]); err != nil {
			return fmt.Errorf("train: head: %w", err)
		}
		for i := lo; i < hi; i++ {
			do(i, y[(i-lo)*head.Classes:(i-lo+1)*head.Classes])
		}
	}
	return nil
}

// program compiles W x + b.
func program(head inception.Head, threads int) (*nn.Program, error) {
	g := nn.NewGraph()
	x, err := nn.Input(g, "bottleneck", 1, head.Features)
	if err != nil {
		return nil, err
	}
	w, err := nn.Param(g, "head.weight", head.W, head.Classes, head.Features)
	if err != nil {
		return nil, err
	}
	b, err := nn.Param(g, "head.bias", head.B, head.Classes)
	if err != nil {
		return nil, err
	}
	y, err := nn.Apply(&nn.Dense{Name: "head"}, x, w, b)
	if err != nil {
		return nil, err
	}
	return nn.Compile(nn.Config{Threads: threads, Device: "cpu"}, x, y)
}

// isRight says whether logits answer example i: the label has the largest; of several labels each
// has one above 0, and no other has.
func isRight[T float32 | float64](logits []T, ex Examples, i int) bool {
	if ex.MultiLabel == nil {
		return numeric.Argmax(logits) == ex.Labels[i]
	}
	set := ex.MultiLabel[i]
	for l, z := range logits {
		has := len(set) > 0 && set[0] == l
		if has {
			set = set[1:]
		}
		if has != (z > 0) {
			return false
		}
	}
	return true
}

// score returns the weighted mean cross entropy of logits [n,K] / temperature, and how many
// examples they answer.
func score(logits []float64, ex Examples, temperature float64) (loss float64, right int) {
	k, total := ex.Classes, 0.0
	for i := range ex.Labels {
		row := logits[i*k : (i+1)*k]
		loss += ex.weight(i) * ex.entropy(i, row, temperature)
		total += ex.weight(i)
		if isRight(row, ex, i) {
			right++
		}
	}
	return loss / total, right
}

// entropy is the cross entropy of row i's labels and logits [K] / temperature.
func (e Examples) entropy(i int, logits []float64, temperature float64) float64 {
	if e.MultiLabel == nil {
		return numeric.CrossEntropy(logits, e.Labels[i], temperature)
	}
	return numeric.BinaryCrossEntropy(logits, e.MultiLabel[i], temperature)
}

// threadCount resolves 0.
func threadCount(n int) int {
	if n == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}
