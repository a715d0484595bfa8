package inception

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
)

// TestFeaturesLength: every block's own channels are 8,992, and from Mixed_6a on 8,160.
func TestFeaturesLength(t *testing.T) {
	for text, want := range map[string]int{
		"all":                      8992,
		"mean":                     8992,
		"quarters":                 4 * 8992,
		"Mixed_7c":                 2048,
		"mixed_6a":                 480,
		"MIXED_7A, deviation,mean": 2 * 512,
		"Mixed_6a,Mixed_6b,Mixed_6c,Mixed_6d,Mixed_6e,Mixed_7a,Mixed_7b,Mixed_7c,quarters,deviation": 40800,
	} {
		f, err := ParseFeatures(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := f.Length(1); got != want || f.Validate(1) != nil || len(f.Values(1)) != want {
			t.Errorf("%q: got %d values, %v, want %d", text, got, f.Validate(1), want)
		}
	}
	if n := AllFeatures().Length(maxWidth); n > maxFeatures {
		t.Errorf("a head could read %d values, more than the %d it may", n, maxFeatures)
	}
	for text, want := range map[string]string{"": "got \"\"", "Mixed_9a": "Mixed_5b", "mean;deviation": "quarters"} {
		if _, err := ParseFeatures(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
	var none *Features
	if none.Length(1) != 2048 || none.Validate(1) != nil || none.Values(1) != nil || !none.Equal(nil) {
		t.Error("no Features are not the bottleneck")
	}
}

// reading is a model whose head reads columns of two statistics of three blocks.
func reading(t testing.TB, statistics ...Statistic) *Model {
	t.Helper()
	m := small(t)
	f := &Features{Blocks: []string{"Mixed_5d", "Mixed_6a", "Mixed_7c"}, Statistics: statistics}
	for i := range 3 * len(statistics) {
		f.Scales = append(f.Scales, 0.5+float32(i))
	}
	for c := range f.Length(m.Width) {
		if c%3 != 1 {
			f.Columns = append(f.Columns, c)
		}
	}
	m.Reads = f
	m.Head = Head{Classes: 3, Features: len(f.Columns), B: []float32{0.5, -1, 2}}
	for i := range 3 * len(f.Columns) {
		m.Head.W = append(m.Head.W, float32(math.Sin(float64(i))))
	}
	m.SelfTest = nil
	if err := RecordSelfTest(t.Context(), m, nn.Config{}); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTrunkFeatures: what a trunk gives for a head is what the definition makes of the blocks of the
// tape machine's network, and the same in a batch and alone.
func TestTrunkFeatures(t *testing.T) {
	w := tiny(t, TF2015)
	f := reading(t, Mean, Quarters, Deviation).Reads
	trunk, err := NewTrunkOf(w, f, nn.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	const n = 3
	pixels := slices.Concat(drawn(trunk.Size(), 5), drawn(trunk.Size(), 6), drawn(trunk.Size(), 7))
	got := make([]float32, n*trunk.Features())
	if err := trunk.Embed(context.Background(), n, pixels, got); err != nil {
		t.Fatal(err)
	}
	net, err := Build(nn.NewGraph(), w.TrunkOnly(), w.Recipe.Size, 1)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := nn.NewMachine(net.taps["Mixed_5d"], net.taps["Mixed_6a"], net.taps["Mixed_7c"], net.Input)
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	for i := range n {
		taps, err := machine.Run(map[string][]float32{"input": pixels[i*trunk.pixels() : (i+1)*trunk.pixels()]})
		if err != nil {
			t.Fatal(err)
		}
		var want []float32
		for _, v := range f.Values(w.Width) {
			b := slices.Index(f.Blocks, v.Block)
			side := net.taps[v.Block].Shape()[2]
			want = append(want, v.Scale*summary(taps[b][v.Channel*side*side:][:side*side], side, v))
		}
		row := got[i*trunk.Features() : (i+1)*trunk.Features()]
		if d := numeric.Distance(row, want); !(d <= 1e-5) {
			t.Errorf("picture %d: the features are off by %.2g of their norm", i, d)
		}
		alone := make([]float32, len(row))
		if err := trunk.Embed(context.Background(), 1, pixels[i*trunk.pixels():(i+1)*trunk.pixels()], alone); err != nil ||
			!slices.Equal(alone, row) {
			t.Errorf("picture %d alone: got other bits, or %v", i, err)
		}
	}
}

// summary is the statistic of one plane from its definition.
func summary(plane []float32, side int, v Value) float32 {
	sum, square, n := 0.0, 0.0, 0
	for y := range side {
		for x := range side {
			if v.Statistic == Quarters {
				lower, right := v.Run >= 2, v.Run%2 == 1
				if lower && 2*y+1 < side || !lower && 2*y+1 > side || right && 2*x+1 < side || !right && 2*x+1 > side {
					continue
				}
			}
			a := float64(plane[y*side+x])
			sum, square, n = sum+a, square+a*a, n+1
		}
	}
	mean := sum / float64(n)
	if v.Statistic == Deviation {
		return float32(math.Sqrt(max(square/float64(n)-mean*mean, 0)))
	}
	return float32(mean)
}

// TestTrunkFeaturesAgree: a selection is the same values as those of all features, and the last
// block's mean is the bottleneck, in float32 and in int8.
func TestTrunkFeaturesAgree(t *testing.T) {
	m, _ := int8Model(t)
	for _, w := range []*Weights{tiny(t, TF2015), m.Trunk} {
		pixels := drawn(107, 9)
		run := func(f *Features) []float32 {
			trunk, err := NewTrunkOf(w, f, nn.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer trunk.Close()
			row := make([]float32, trunk.Features())
			if err := trunk.Embed(context.Background(), 1, pixels, row); err != nil {
				t.Fatal(err)
			}
			return row
		}
		all := run(AllFeatures())
		if last, err := ParseFeatures("mixed_7c"); err != nil || !slices.Equal(run(last), run(nil)) {
			t.Errorf("%s: the last block's mean is not the bottleneck (%v)", w.Precision(), err)
		}
		f := reading(t, Quarters, Deviation).Reads
		at, scales, err := f.Places(w.Width)
		got := make([]float32, len(at))
		for i, p := range at {
			got[i] = all[p] * scales[i]
		}
		if err != nil || !slices.Equal(got, run(f)) {
			t.Errorf("%s: a selection gives other values than all of them do (%v)", w.Precision(), err)
		}
	}
}

// TestFeaturesModel: a model whose head reads a selection is saved and opened whole, also with its
// self-test, and answers as before.
func TestFeaturesModel(t *testing.T) {
	m := reading(t, Mean, Deviation)
	dir := filepath.Join(t.TempDir(), "model")
	mustSave(t, m, dir, SaveOptions{})
	got := mustOpen(t, dir)
	if !reflect.DeepEqual(got.Reads, m.Reads) || !got.Reads.Equal(m.Reads) {
		t.Errorf("got %v, want %v", got.Reads, m.Reads)
	}
	again := filepath.Join(t.TempDir(), "again")
	mustSave(t, got, again, SaveOptions{})
	if !reflect.DeepEqual(contents(t, dir), contents(t, again)) {
		t.Error("saved again, the model has other bytes")
	}
	c, err := NewClassifier(got, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(contents(t, dir)["model.json"]), &doc); err != nil {
		t.Fatal(err)
	}
	reads := doc["head"].(map[string]any)["reads"].(map[string]any)
	if len(reads["blocks"].([]any)) != 3 || reads["selected"] != true || len(reads["scales"].([]any)) != 6 {
		t.Errorf("model.json says %v", reads)
	}
}

// TestFeaturesRefused: what does not fit is refused in words.
func TestFeaturesRefused(t *testing.T) {
	for want, change := range map[string]func(*Features){
		"out of order":        func(f *Features) { slices.Reverse(f.Blocks) },
		"unknown":             func(f *Features) { f.Statistics = []Statistic{"median"} },
		"scales":              func(f *Features) { f.Scales = f.Scales[1:] },
		"finite":              func(f *Features) { f.Scales[2] = float32(math.NaN()) },
		"ascending":           func(f *Features) { f.Columns[0] = f.Columns[1] },
		"no columns":          func(f *Features) { f.Columns = []int{} },
		"at least one":        func(f *Features) { f.Blocks = nil },
		"the head reads":      func(f *Features) { f.Columns = f.Columns[1:] },
		"ascending numbers":   func(f *Features) { f.Columns[len(f.Columns)-1] = 1 << 20 },
		"out of order, want ": func(f *Features) { f.Blocks[1] = f.Blocks[0] },
	} {
		m := reading(t, Mean)
		change(m.Reads)
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// TestExplainFeatures: the maps of a head that reads several blocks lie on the finest one's cells,
// and their means plus the biases are the logits.
func TestExplainFeatures(t *testing.T) {
	for name, statistics := range map[string][]Statistic{
		"averages": {Mean, Quarters}, "deviations": {Mean, Deviation}, "quarters": {Quarters},
	} {
		t.Run(name, func(t *testing.T) {
			m := reading(t, statistics...)
			c, err := NewClassifier(m, nn.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			data := sketch(t, 1, 4)
			want, err := c.Classify(t.Context(), &Input{Data: data})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Explain(t.Context(), &Input{Data: data}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Predictions, want[0].Predictions) ||
				!reflect.DeepEqual(got.Bottleneck, want[0].Bottleneck) {
				t.Error("the answer is not that of Classify")
			}
			side := c.trunk.blocks[0].side
			for _, x := range got.Maps {
				if len(x.Cells) != side || len(x.Cells[0]) != side {
					t.Errorf("%s: got %dx%d cells, want %dx%d", x.Label, len(x.Cells), len(x.Cells[0]), side, side)
				}
				if x.Gradient != slices.Contains(statistics, Deviation) {
					t.Errorf("%s: gradient is %v", x.Label, x.Gradient)
				}
				checkMean(t, x)
			}
			px := make([]float32, c.trunk.pixels())
			if _, err := m.Recipe.Load(data, picture.Limits{}, px); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFeaturesCost counts what features add to the network: for each block one step that reads every
// value once, and does three operations with it, a thousandth of the convolutions' at full width;
// all other steps are the same.
func TestFeaturesCost(t *testing.T) {
	w := tiny(t, TF2015)
	count := func(f *Features) (steps map[string]int) {
		trunk, err := NewTrunkOf(w, f, nn.Config{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer trunk.Close()
		list, err := trunk.Program().Profile(t.Context(), 1, drawn(trunk.Size(), 1))
		if err != nil {
			t.Fatal(err)
		}
		steps = map[string]int{}
		for _, s := range list {
			steps[s.Algorithm]++
		}
		return steps
	}
	bare, all := count(nil), count(AllFeatures())
	blocks := len(FeatureBlocks())
	if all["moments"] != blocks {
		t.Errorf("got %d steps for %d blocks", all["moments"], blocks)
	}
	delete(all, "moments")
	if outputs := 1 + blocks; all["output"] != outputs || bare["output"] != 2 { // moments need none
		t.Errorf("got %d and %d outputs, want %d and 2", all["output"], bare["output"], outputs)
	}
	delete(all, "output")
	delete(bare, "output")
	if !maps.Equal(bare, all) {
		t.Errorf("the other steps are %v, want %v as without features", all, bare)
	}
	values := 0
	if _, err := traceTable(1, 299, func(Layer) {}, func(r row, s [3]int) {
		if slices.Contains(FeatureBlocks(), r.block) {
			values += s[0] * s[1] * s[2]
		}
	}); err != nil {
		t.Fatal(err)
	}
	flops, err := TrunkFLOPs(1, 299)
	if err != nil {
		t.Fatal(err)
	}
	if part := 3 * float64(values) / float64(flops); !(part < 1e-3) || 4*values > 11e6 {
		t.Errorf("moments read %d values and do %.2g of the trunk's operations, want less than 0.001", values, part)
	}
}

// TestRegression_EmbedTellsLength: how many values a picture has is found once, not from the network's table
// in each call, which took a millisecond of one thread at full width while the others waited.
func TestRegression_EmbedTellsLength(t *testing.T) {
	trunk, err := NewTrunkOf(tiny(t, TF2015), AllFeatures(), nn.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	pixels, features := drawn(trunk.Size(), 1), make([]float32, trunk.Features())
	const most = 10 // slices of outputs
	if n := testing.AllocsPerRun(10, func() {
		if err := trunk.Embed(t.Context(), 1, pixels, features); err != nil {
			t.Error(err)
		}
	}); n > most {
		t.Errorf("got %g allocations in a call, want at most %d", n, most)
	}
}
