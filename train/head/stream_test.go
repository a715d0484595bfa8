package head

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/safetensors"
)

// fromMemory is a Source of examples; every tenth row is of the validation part, every tenth of the test
// part, and some are of none.
type fromMemory struct {
	Examples
	rows  int // of a batch
	stop  func(batch int) error
	given int
}

func (m *fromMemory) Digest() [sha256.Size]byte { return sha256.Sum256([]byte("these")) }

func partOf(i int) Part {
	switch i % 10 {
	case 3:
		return PartValidation
	case 7:
		return PartTest
	}
	if i%101 == 0 {
		return PartNone
	}
	return PartTrain
}

func (m *fromMemory) Batches(ctx context.Context, from int, want func(*Batch) bool, each func(*Batch) error) error {
	for n, lo := 0, 0; lo < len(m.Rows); n, lo = n+1, lo+m.rows {
		hi := min(lo+m.rows, len(m.Rows))
		if n < from {
			continue
		}
		if m.given++; m.stop != nil {
			if err := m.stop(m.given); err != nil {
				return err
			}
		}
		b := &Batch{Number: n, First: lo, Labels: m.Labels[lo:hi], Release: func() {}}
		if m.MultiLabel != nil {
			b.Labels, b.MultiLabel = nil, m.MultiLabel[lo:hi]
		}
		for i := lo; i < hi; i++ {
			b.Parts = append(b.Parts, partOf(i))
		}
		if want(b) {
			for _, row := range m.Rows[lo:hi] {
				for _, v := range row {
					h, _ := safetensors.Half(v)
					b.Half = binary.LittleEndian.AppendUint16(b.Half, h)
				}
			}
		}
		if err := each(b); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// halved makes the examples' values float16.
func halved(ex Examples) Examples {
	for _, row := range ex.Rows {
		for j, v := range row {
			h, _ := safetensors.Half(v)
			row[j] = safetensors.FromHalf(h)
		}
	}
	return ex
}

// trainedOn are the rows of the training part.
func trainedOn(ex Examples) Examples {
	i := -1
	return ex.some(func(int) bool { i++; return partOf(i) == PartTrain })
}

// sampleOf is the memory with which a fit's sample has so many rows.
func sampleOf(t *testing.T, src Source, cfg StreamConfig, rows int) int64 {
	t.Helper()
	s, err := newStream(context.Background(), src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.rows[PartTrain] = 1 << 40
	s.held.logits, s.held.rows = nil, nil
	s.cfg.Memory = 1 << 40
	z, err := s.sizes()
	if err != nil {
		t.Fatal(err)
	}
	return int64(float64(z.fixed+int64(rows)*z.row)/(1-spareShare)) + 4096
}

// TestStreamFindsTheOptimum: with a sample of a quarter of the rows, in few passes, and no further away
// than it says.
func TestStreamFindsTheOptimum(t *testing.T) {
	several := halved(multiLabelClouds(3, 6000))
	for name, c := range map[string]struct {
		ex  Examples
		set func(c *StreamConfig)
	}{
		"plain":     {halved(likeBottlenecks(6001, 64, 19)), func(*StreamConfig) {}},
		"smoothed":  {halved(likeBottlenecks(6000, 40, 5)), func(c *StreamConfig) { c.Smoothing = 0.1 }},
		"balanced":  {halved(likeBottlenecks(6000, 40, 7)), func(c *StreamConfig) { c.Balanced, c.Scaling = true, ScaleStandard }},
		"unscaled":  {halved(likeBottlenecks(6000, 40, 5)), func(c *StreamConfig) { c.Scaling, c.L2 = ScaleNone, 0.01 }},
		"weak":      {halved(likeBottlenecks(6000, 30, 5)), func(c *StreamConfig) { c.L2 = 5e-3 }},
		"several":   {several, func(c *StreamConfig) {}},
		"two parts": {several, func(c *StreamConfig) { c.Balanced = true }},
	} {
		t.Run(name, func(t *testing.T) {
			src := &fromMemory{Examples: c.ex, rows: 500}
			cfg := StreamConfig{Classes: c.ex.Classes, MultiLabel: c.ex.MultiLabel != nil, Threads: 2}
			c.set(&cfg)
			cfg.Memory = sampleOf(t, src, cfg, 1300)
			got, err := FitStream(context.Background(), src, cfg)
			if err != nil {
				t.Fatal(err)
			}
			all := trainedOn(c.ex)
			want := mustFit(t, all, Config{Options: cfg.Options, Balanced: cfg.Balanced})
			t.Logf("%d passes, %d of %d rows resident, loss %.6f (%.6f), gap %.2g, %d evaluations (%d)", got.Passes, got.Resident,
				got.Rows, got.Loss, want.Loss, got.Gap, got.Evaluations, want.Evaluations)
			if !got.Converged || got.Gap > 1e-3*got.Loss || got.Passes > DefaultPasses || got.Resident >= got.Rows/3 {
				t.Errorf("got a gap of %g at a loss of %g after %d passes with %d of %d rows", got.Gap, got.Loss, got.Passes,
					got.Resident, got.Rows)
			}
			if got.Loss < want.Loss-want.Gap-1e-6*want.Loss || got.Loss-want.Loss > got.Gap+1e-6*want.Loss {
				t.Errorf("got the loss %.8f, which is not within %.2g of the least, %.8f", got.Loss, got.Gap, want.Loss)
			}
			if got.Rows != len(all.Rows) || got.Validation.Rows != 600 || got.Test.Rows != 600 {
				t.Errorf("got parts of %d, %d and %d rows", got.Rows, got.Validation.Rows, got.Test.Rows)
			}
		})
	}
}

// TestStreamOfFewRowsALabel: with three of five rows of 64 labels in the sample no pass goes far astray, and ten
// come as near as the tolerance. Rows outside the sample were pulled at as if they had no curvature, and the loss
// doubled on the way.
func TestStreamOfFewRowsALabel(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	ex := halved(likeBottlenecks(5000, 512, 64))
	src := &fromMemory{Examples: ex, rows: 500}
	cfg := StreamConfig{Classes: 64, Threads: 2}
	cfg.Memory = sampleOf(t, src, cfg, 2400)
	got, err := FitStream(context.Background(), src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := mustFit(t, trainedOn(ex), Config{Options: cfg.Options})
	t.Logf("%d passes, %d of %d rows resident, loss %.6f (%.6f), gap %.2g, %v", got.Passes, got.Resident, got.Rows,
		got.Loss, want.Loss, got.Gap, got.Losses)
	if got.Resident > got.Rows*2/3 || got.Loss > want.Loss*(1+2e-4) || got.Gap > 0.01*got.Loss {
		t.Errorf("got a loss of %.6f, at most %.2g above the least, want within 2e-4 of %.6f, proven within 1e-2", got.Loss,
			got.Gap, want.Loss)
	}
	for _, l := range got.Losses[1:] {
		if l.Loss > got.Losses[0].Loss {
			t.Errorf("pass %d went up to %.4f from %.4f at first", l.Iteration, l.Loss, got.Losses[0].Loss)
		}
	}
}

// TestStreamMeasures: what it says of held-out rows is what the head answers.
func TestStreamMeasures(t *testing.T) {
	ex := halved(likeBottlenecks(3000, 48, 6))
	src := &fromMemory{Examples: ex, rows: 256}
	cfg := StreamConfig{Classes: 6, Held: 100, Options: Options{L2: 0.01}}
	got, err := FitStream(context.Background(), src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.HeldRows); n < 100 || n > 200 || len(got.HeldLogits) != n*6 || !slices.IsSorted(got.HeldRows) {
		t.Fatalf("got %d held rows with %d logits", n, len(got.HeldLogits))
	}
	logits, err := Logits(context.Background(), got.Head, ex.Rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	for k, row := range got.HeldRows {
		if got.HeldParts[k] != partOf(row) {
			t.Errorf("row %d: got part %d, want %d", row, got.HeldParts[k], partOf(row))
		}
		for l := range 6 {
			if a, b := float64(got.HeldLogits[k*6+l]), logits[row*6+l]; !(math.Abs(a-b) <= 1e-4*(1+math.Abs(b))) {
				t.Fatalf("row %d, label %d: got the logit %g, want %g", row, l, a, b)
			}
		}
	}
	i := -1
	test := ex.some(func(int) bool { i++; return partOf(i) == PartTest })
	loss, acc, err := meanLoss(context.Background(), got.Head, test, 1)
	if err != nil {
		t.Fatal(err)
	}
	m := got.Test
	if !(math.Abs(m.Loss-loss) <= 1e-4*loss) || math.Abs(float64(m.Right)/float64(m.Rows)-acc) > 1.0/float64(m.Rows) {
		t.Errorf("got a loss of %g and %d of %d right, want %g and %g", m.Loss, m.Right, m.Rows, loss, acc)
	}
}

// TestRegression_MeasuresOfTheBest: where the last pass was of a worse head than the one that is returned,
// what is said of the other parts is what that one answers, also where no logits are held.
func TestRegression_MeasuresOfTheBest(t *testing.T) {
	ex := halved(likeBottlenecks(3000, 40, 5))
	src := &fromMemory{Examples: ex, rows: 256}
	cfg := StreamConfig{Classes: 5, Options: Options{L2: 0.01}}
	for _, held := range []int{0, 50} {
		cfg.Held = held
		s, err := newStream(t.Context(), src, cfg)
		if err == nil {
			err = s.count()
		}
		if err == nil {
			err = s.prepare()
		}
		if err == nil {
			err = s.solve()
		}
		if err != nil {
			t.Fatal(err)
		}
		want := s.at.parts
		s.at.parts = [2]Measured{{Rows: 1}, {Rows: 1}} // as of another head
		if err := s.end(false, 0); err != nil {
			t.Fatal(err)
		}
		if s.at.parts != want {
			t.Errorf("held %d: got %+v, want %+v", held, s.at.parts, want)
		}
	}
}

// TestRegression_LargeStrata: as many rows are drawn as are to be, also where their product is more than
// 32 bits hold.
func TestRegression_LargeStrata(t *testing.T) {
	s, n := stratum{rows: 200_000, drawn: 70_000, offset: 12_345}, 0
	for c := range s.rows {
		if s.draws(c) {
			n++
		}
	}
	if n != s.drawn {
		t.Errorf("got %d rows, want %d", n, s.drawn)
	}
}

// TestStreamGoesOn: a fit that is stopped at any batch, again and again, ends with the same bits, and so
// does one with other threads.
func TestStreamGoesOn(t *testing.T) {
	ex := halved(likeBottlenecks(4000, 40, 5))
	src := &fromMemory{Examples: ex, rows: 200}
	cfg := StreamConfig{Classes: 5, Held: 50, Threads: 1, Options: Options{Seed: 5}}
	cfg.Memory = sampleOf(t, src, cfg, 1100)
	want, err := FitStream(context.Background(), src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Threads = 3
	cfg.Checkpoints = Checkpoints{Dir: t.TempDir(), Every: 1}
	for _, every := range []int{0, 47, 61} {
		var got *StreamSolution
		runs := 0
		for got == nil {
			if runs++; runs > 100 {
				t.Fatal("it does not get on")
			}
			src.given = 0
			src.stop = func(n int) error {
				if every > 0 && n == every+runs {
					return errors.New("killed")
				}
				return nil
			}
			if got, err = FitStream(context.Background(), src, cfg); err != nil && !strings.Contains(err.Error(), "killed") {
				t.Fatal(err)
			}
		}
		if every > 0 && runs < 3 {
			t.Errorf("every %d: it was killed %d times only", every, runs-1)
		}
		if err := got.Finish(); err != nil {
			t.Fatal(err)
		}
		got.checkpoints, got.CheckpointErr = nil, nil
		if !reflect.DeepEqual(got.Head, want.Head) || got.Loss != want.Loss || got.Gap != want.Gap ||
			!slices.Equal(got.HeldLogits, want.HeldLogits) || got.Test != want.Test || got.Passes != want.Passes ||
			!slices.Equal(got.Losses, want.Losses) {
			t.Errorf("killed after %d batches each time, %d runs: another solution", every, runs)
		}
	}
}

// TestStreamRefuses names what cannot be.
func TestStreamRefuses(t *testing.T) {
	ex := halved(likeBottlenecks(1500, 16, 3))
	bad := halved(likeBottlenecks(1500, 16, 3))
	bad.Rows[700][3] = float32(math.Inf(1))
	missing := ex
	missing.Classes = 4
	for want, c := range map[string]struct {
		ex  Examples
		cfg StreamConfig
	}{
		"Memory: got 1.0 MB, want at least":         {ex, StreamConfig{Classes: 3, Memory: 1 << 20}},
		"row 700: got a feature that is not finite": {bad, StreamConfig{Classes: 3}},
		"class 3 of 4: got no rows":                 {missing, StreamConfig{Classes: 4}},
		`label "tulip": got no rows`:                {missing, StreamConfig{Classes: 4, Names: []string{"a", "b", "c", "tulip"}}},
		"Names: got 1, want none or one for each":   {missing, StreamConfig{Classes: 4, Names: []string{"a"}}},
		"Solver: got adam, want lbfgs":              {ex, StreamConfig{Classes: 3, Options: Options{Solver: Adam}}},
		"L2: got -1, want 0":                        {ex, StreamConfig{Classes: 3, Options: Options{L2: -1}}},
		"got label 2, want 0..1":                    {ex, StreamConfig{Classes: 2}},
	} {
		if _, err := FitStream(context.Background(), &fromMemory{Examples: c.ex, rows: 500}, c.cfg); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
