package benchmark

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/memory"
	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn/linalg"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
)

// MadeUpShards writes n rows of k classes like those of MadeUpBottlenecks into shards of a key, the same
// every time. written is told of the rows so far.
func MadeUpShards(ctx context.Context, dir string, key shards.Key, n, k int, written func(rows int)) error {
	count := (n + shards.DefaultRows - 1) / shards.DefaultRows
	rng := rand.New(rand.NewPCG(uint64(n), uint64(k)))
	mix := normal(rng, hidden*key.Features, 0.4/math.Sqrt(hidden))
	centres := normal(rng, k*hidden, 0.6)
	var telling sync.Mutex
	rows := 0
	return par.Each(ctx, 0, count, func(_, i int) error {
		w, err := shards.NewWriter(key, false)
		if err != nil {
			return err
		}
		lo, hi := i*shards.DefaultRows, min((i+1)*shards.DefaultRows, n)
		rng := rand.New(rand.NewPCG(uint64(n)<<20+uint64(i), uint64(k)))
		for at := lo; at < hi; at += madeUpRows {
			if err := madeUp(w, rng, mix, centres, [2]int{at, min(at+madeUpRows, hi)}, k); err != nil {
				return err
			}
		}
		if err := w.Save(filepath.Join(dir, fmt.Sprintf("made-up-%05d%s", i, shards.Suffix))); err != nil {
			return err
		}
		telling.Lock()
		defer telling.Unlock()
		rows += hi - lo
		written(rows)
		return nil
	})
}

// madeUpRows is how many rows are made up at a time.
const madeUpRows = 512

// madeUp adds rows.
func madeUp(w *shards.Writer, rng *rand.Rand, mix, centres []float32, rows [2]int, k int) error {
	n, f := rows[1]-rows[0], len(mix)/hidden
	h := normal(rng, n*hidden, 1)
	out := normal(rng, n*f, 0.3)
	for i := range n {
		class := (rows[0] + i) % k
		for j, c := range centres[class*hidden : (class+1)*hidden] {
			h[i*hidden+j] += c
		}
	}
	err := linalg.AddProduct(linalg.New(out, n, f), linalg.New(h, n, hidden), linalg.New(mix, hidden, f),
		linalg.Product{Threads: 1})
	if err != nil {
		return err
	}
	for i := range n {
		row := out[i*f:][:f]
		for j, v := range row {
			row[j] = max(0, 0.3+v)
		}
		at := rows[0] + i
		err := w.Add(shards.Row{Features: row, Sum: sha256.Sum256(fmt.Appendf(nil, "%d", at)),
			Path: fmt.Sprintf("made-up/%03d/%d.jpg", at%k, at), Labels: []string{fmt.Sprintf("class %03d", at%k)}})
		if err != nil {
			return err
		}
	}
	return nil
}

// ShardsReport is what `bench train --bottlenecks --json` prints.
type ShardsReport struct {
	Seconds     float64 `json:"seconds"`
	Rows        int     `json:"rows"`
	Resident    int     `json:"resident"` // rows held in memory
	Passes      int     `json:"passes"`   // over all features; 0: read once, into memory
	Features    int     `json:"features"`
	Classes     int     `json:"classes"`
	Evaluations int     `json:"evaluations"` // of the rows in memory
	Loss        float64 `json:"loss"`
	Gap         float64 `json:"gap"` // the loss is at most this much above the least
	Converged   bool    `json:"converged"`
	Threads     int     `json:"threads"`
	RSSMB       float64 `json:"rss_mb"`
}

// Shards times a fit of a head to all rows of a set: in memory where allowed is 0, else holding so many
// bytes.
func Shards(ctx context.Context, set *shards.Set, allowed int64, threads int,
	progress func(head.Event)) (*ShardsReport, error) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	r := &ShardsReport{Rows: set.Rows, Features: set.Key.Features, Classes: len(set.Labels), Threads: threads}
	start := time.Now()
	if allowed == 0 {
		ex, err := inMemory(ctx, set)
		if err != nil {
			return nil, err
		}
		fit, err := head.Fit(ctx, ex, head.Config{Threads: threads})
		if err != nil {
			return nil, err
		}
		r.Resident, r.Evaluations, r.Loss, r.Gap, r.Converged = set.Rows, fit.Evaluations, fit.Loss, fit.Gap, fit.Converged
	} else {
		src, err := train.ShardSource(ctx, set, dataset.SplitConfig{Validation: -1, Test: -1})
		if err != nil {
			return nil, err
		}
		fit, err := head.FitStream(ctx, src, head.StreamConfig{Classes: len(set.Labels), MultiLabel: set.MultiLabel,
			Memory: allowed, Threads: threads, Progress: progress})
		if err != nil {
			return nil, err
		}
		r.Resident, r.Passes, r.Evaluations = fit.Resident, fit.Passes, fit.Evaluations
		r.Loss, r.Gap, r.Converged = fit.Loss, fit.Gap, fit.Converged
	}
	r.Seconds, r.RSSMB = time.Since(start).Seconds(), memory.Peak()
	return r, nil
}

// inMemory reads all rows of a set.
func inMemory(ctx context.Context, set *shards.Set) (head.Examples, error) {
	if set.MultiLabel {
		return head.Examples{}, fmt.Errorf("bench: shards of several labels a row are not read into memory here")
	}
	ex, f := head.Examples{Classes: len(set.Labels)}, set.Key.Features
	err := set.Each(ctx, shards.Stream{}, func(b *shards.Block) error {
		defer b.Release()
		for i := range b.Len() {
			row := make([]float32, f)
			for j := range row {
				at := 2 * (i*f + j)
				row[j] = safetensors.FromHalf(uint16(b.Features[at]) | uint16(b.Features[at+1])<<8)
			}
			ex.Rows, ex.Labels = append(ex.Rows, row), append(ex.Labels, int(b.Labels[i]))
		}
		return nil
	})
	return ex, err
}
