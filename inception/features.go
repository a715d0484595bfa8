package inception

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn"
)

// Statistic is what a head reads of every channel of a block: see nn.Moments.
type Statistic string

// The statistics, in the order in which a head reads them.
const (
	Mean      Statistic = "mean"      // over all pixels: a value a channel
	Quarters  Statistic = "quarters"  // means over the four quarters: all upper left, upper right, lower left, lower right
	Deviation Statistic = "deviation" // the standard deviation over all pixels: a value a channel
)

// Statistics lists every statistic that can be trained on, in order.
func Statistics() []Statistic { return []Statistic{Mean, Quarters, Deviation} }

// runs says which runs of nn.Moments are the statistic's.
func (s Statistic) runs() (first, count int) {
	switch s {
	case Quarters:
		return 1, 4
	case Deviation:
		return 5, 1
	}
	return 0, 1
}

// Features says what a head reads of the network beside, or instead of, the last block's mean: of
// each block, in the order in which a picture passes through them, each statistic. A nil *Features
// is the bottleneck. Of a block that carries channels of an earlier one on (Mixed_6a and Mixed_7a,
// behind their pool) only its own count.
type Features struct {
	Blocks     []string    `json:"blocks"`     // of FeatureBlocks, in their order, at least one
	Statistics []Statistic `json:"statistics"` // in the order of Statistics, at least one
	// [blocks*statistics] what the values of a block's statistic are multiplied with, block by block;
	// nil: 1 each
	Scales []float32 `json:"scales,omitempty"`
	// of Cells: of how many pixels a side the block is; 0 else
	Side int `json:"side,omitempty"`
	// which of the values are read, ascending, counted from 0 over all of them; nil: every one.
	// A model keeps them beside its weights
	Columns []int `json:"-"`
}

// runs is how often each channel of a block has a value of a statistic of f, and the first of these.
func (f *Features) runs(s Statistic) (first, count int) {
	if s == Cells {
		return 0, f.Side * f.Side
	}
	return s.runs()
}

// FeatureBlocks lists the blocks that a head can read, in the order in which a picture passes
// through them.
func FeatureBlocks() []string {
	return slices.DeleteFunc(blocks(), func(name string) bool { return !strings.HasPrefix(name, "Mixed_") })
}

// AllFeatures is every statistic of every block: what can be cached once for every choice.
func AllFeatures() *Features { return &Features{Blocks: FeatureBlocks(), Statistics: Statistics()} }

// ParseFeatures reads a list of blocks and statistics, such as "mixed_6e,mixed_7c,quarters", in any
// order; upper and lower case are alike. Without a block, or with "all", it is every block; without
// a statistic it is the mean.
func ParseFeatures(text string) (*Features, error) {
	var blocks, statistics []string
	for _, word := range strings.Split(text, ",") {
		word = strings.TrimSpace(word)
		is := func(s string) bool { return strings.EqualFold(s, word) }
		switch {
		case is("all"):
			blocks = append(blocks, FeatureBlocks()...)
		case slices.ContainsFunc(FeatureBlocks(), is):
			blocks = append(blocks, FeatureBlocks()[slices.IndexFunc(FeatureBlocks(), is)])
		case slices.ContainsFunc(Statistics(), func(s Statistic) bool { return is(string(s)) }):
			statistics = append(statistics, strings.ToLower(word))
		default:
			return nil, fmt.Errorf("inception: features: got %q, want all, blocks (%s) or statistics (%s, %s, %s), "+
				"with commas between", word, strings.Join(FeatureBlocks(), ", "), Mean, Quarters, Deviation)
		}
	}
	f := new(Features)
	for _, b := range FeatureBlocks() {
		if len(blocks) == 0 || slices.Contains(blocks, b) {
			f.Blocks = append(f.Blocks, b)
		}
	}
	for _, s := range Statistics() {
		if slices.Contains(statistics, string(s)) || len(statistics) == 0 && s == Mean {
			f.Statistics = append(f.Statistics, s)
		}
	}
	return f, nil
}

// String is f in words, such as "mean, quarters of Mixed_6a to Mixed_7c, 4096 of 40800 values".
func (f *Features) String() string {
	if f == nil {
		return "the last block's mean"
	}
	words := make([]string, len(f.Statistics))
	for i, s := range f.Statistics {
		words[i] = string(s)
	}
	text := strings.Join(words, ", ") + " of " + strings.Join(f.Blocks, ", ")
	if len(f.Blocks) > 2 && f.contiguous() {
		text = strings.Join(words, ", ") + " of " + f.Blocks[0] + " to " + f.Blocks[len(f.Blocks)-1]
	}
	if f.Columns != nil {
		text += fmt.Sprintf(", %d values of them", len(f.Columns))
	}
	return text
}

// contiguous says whether no block between the first and the last is left out.
func (f *Features) contiguous() bool {
	all := FeatureBlocks()
	at := slices.Index(all, f.Blocks[0])
	return at >= 0 && at+len(f.Blocks) <= len(all) && slices.Equal(all[at:at+len(f.Blocks)], f.Blocks)
}

// Span is a run of values: those of one statistic of one block.
type Span struct {
	Block     string
	Statistic Statistic
	Channels  int // of the block that count
	From, To  int // its values among all of f, before columns are chosen
}

// Spans lists the runs of values that f reads of a network of that width before columns are chosen:
// block by block, statistic by statistic; nil for a nil *Features.
func (f *Features) Spans(width float64) []Span {
	if f == nil {
		return nil
	}
	own := ownChannels(width)
	var spans []Span
	at := 0
	for _, b := range f.Blocks {
		for _, s := range f.Statistics {
			_, runs := f.runs(s)
			n := runs * len(own[b])
			spans = append(spans, Span{b, s, len(own[b]), at, at + n})
			at += n
		}
	}
	return spans
}

// Length is how many values f gives of a network of that width; of a nil *Features the bottleneck's.
func (f *Features) Length(width float64) int {
	if f == nil {
		return features(width)
	}
	if f.Columns != nil {
		return len(f.Columns)
	}
	spans := f.Spans(width)
	if len(spans) == 0 {
		return 0
	}
	return spans[len(spans)-1].To
}

// Equal reports whether both read the same values in the same scale.
func (f *Features) Equal(g *Features) bool {
	if f == nil || g == nil {
		return f == g
	}
	return slices.Equal(f.Blocks, g.Blocks) && slices.Equal(f.Statistics, g.Statistics) && f.Side == g.Side &&
		slices.Equal(f.Scales, g.Scales) && (f.Columns == nil) == (g.Columns == nil) && slices.Equal(f.Columns, g.Columns)
}

// Validate checks f for a network of that width; nil is good.
func (f *Features) Validate(width float64) error {
	if f == nil {
		return nil
	}
	bad := func(format string, args ...any) error { return fmt.Errorf("inception: features: "+format, args...) }
	if len(f.Blocks) == 0 || len(f.Statistics) == 0 {
		return bad("got %d blocks and %d statistics, want at least one of each", len(f.Blocks), len(f.Statistics))
	}
	if f.Foreign() || f.Side != 0 {
		return f.validateForeign()
	}
	last := -1
	for _, b := range f.Blocks {
		at := slices.Index(FeatureBlocks(), b)
		if at <= last {
			return bad("block %q is unknown or out of order, want some of %s, in this order", b,
				strings.Join(FeatureBlocks(), ", "))
		}
		last = at
	}
	last = -1
	for _, s := range f.Statistics {
		at := slices.Index(Statistics(), s)
		if at <= last {
			return bad("statistic %q is unknown or out of order, want some of %v, in this order", s, Statistics())
		}
		last = at
	}
	if n := len(f.Blocks) * len(f.Statistics); f.Scales != nil && len(f.Scales) != n {
		return bad("got %d scales, want one for each of %d statistics of a block", len(f.Scales), n)
	}
	for i, s := range f.Scales {
		if !(s >= 0 && s <= math.MaxFloat32) {
			return bad("scale %d is %g, want a finite number, 0 or more", i, s)
		}
	}
	spans := f.Spans(width)
	all := spans[len(spans)-1].To
	if f.Columns != nil && len(f.Columns) == 0 {
		return bad("got no columns, want at least one")
	}
	for i, c := range f.Columns {
		if c < 0 || c >= all || i > 0 && c <= f.Columns[i-1] {
			return bad("column %d is %d, want ascending numbers in 0..%d", i, c, all-1)
		}
	}
	return nil
}

// Value is one value that a head reads.
type Value struct {
	Block     string
	Statistic Statistic
	Run       int     // of the statistic: of Quarters, which of the four; of Cells, which pixel; else 0
	Channel   int     // of the block
	Scale     float32 // what it is multiplied with
}

// Values lists what f reads of a network of that width, in order; nil for a nil *Features, and for
// one that is not valid.
func (f *Features) Values(width float64) []Value {
	if f == nil || f.Validate(width) != nil {
		return nil
	}
	own := ownChannels(width)
	var all []Value
	for i, s := range f.Spans(width) {
		_, runs := f.runs(s.Statistic)
		scale := float32(1)
		if f.Scales != nil {
			scale = f.Scales[i]
		}
		for run := range runs {
			for _, c := range own[s.Block] {
				all = append(all, Value{s.Block, s.Statistic, run, c, scale})
			}
		}
	}
	if f.Columns == nil {
		return all
	}
	chosen := make([]Value, len(f.Columns))
	for i, c := range f.Columns {
		chosen[i] = all[c]
	}
	return chosen
}

// Places says where among the values of AllFeatures those of f are, and what each is multiplied
// with.
func (f *Features) Places(width float64) (at []int, scales []float32, err error) {
	if f == nil {
		return nil, nil, errors.New("inception: features: got none")
	}
	if err := f.Validate(width); err != nil {
		return nil, nil, err
	}
	if f.Foreign() {
		return nil, nil, fmt.Errorf("inception: features: %v are not among those of training", f)
	}
	where := map[string]map[Statistic]int{}
	for _, s := range AllFeatures().Spans(width) {
		if where[s.Block] == nil {
			where[s.Block] = map[Statistic]int{}
		}
		where[s.Block][s.Statistic] = s.From
	}
	for i, s := range f.Spans(width) {
		scale := float32(1)
		if f.Scales != nil {
			scale = f.Scales[i]
		}
		for j := range s.To - s.From {
			at, scales = append(at, where[s.Block][s.Statistic]+j), append(scales, scale)
		}
	}
	if f.Columns == nil {
		return at, scales, nil
	}
	chosen, factors := make([]int, len(f.Columns)), make([]float32, len(f.Columns))
	for i, c := range f.Columns {
		chosen[i], factors[i] = at[c], scales[c]
	}
	return chosen, factors, nil
}

// ownChannels says which channels of each block are its own: all but those that a pool carries on
// from the block before.
func ownChannels(width float64) map[string][]int {
	out := map[string][]int{}
	at := map[string]int{}
	_, err := traceTable(width, MinSize, func(Layer) {}, func(r row, shape [3]int) {
		first := at[r.block]
		at[r.block] += shape[0]
		if r.steps[len(r.steps)-1].kind == maxPool && strings.HasPrefix(r.block, "Mixed_") {
			return
		}
		for c := range shape[0] {
			out[r.block] = append(out[r.block], first+c)
		}
	})
	if err != nil {
		return nil // the width is out of range, which Validate of whatever has it says
	}
	return out
}

// maxFeatures bounds what a head reads: every statistic of every block at the greatest width.
const maxFeatures = 1 << 17

// columnMask is Columns as the head's file keeps them: a byte for each value, 1 where it is read.
func (f *Features) columnMask(width float64) []byte {
	spans := f.Spans(width)
	mask := make([]byte, spans[len(spans)-1].To)
	for _, c := range f.Columns {
		mask[c] = 1
	}
	return mask
}

// takeColumns reads Columns from the head's file.
func (f *Features) takeColumns(file *safetensors.File, width float64) error {
	spans := f.Spans(width)
	if len(spans) == 0 || spans[len(spans)-1].To > maxFeatures {
		return nil // which Validate refuses
	}
	want := spans[len(spans)-1].To
	info, ok := file.Lookup(columnsTensor)
	if !ok || info.DType != safetensors.U8 || !slices.Equal(info.Shape, []int{want}) {
		return &FormatError{File: file.Name, Tensor: columnsTensor, Offset: -1,
			Reason: fmt.Sprintf("is missing, or not of %d bytes: train again", want)}
	}
	mask, err := file.Bytes(info)
	if err != nil {
		return err
	}
	f.Columns = []int{}
	for i, b := range mask {
		if b > 1 {
			return &FormatError{File: file.Name, Tensor: columnsTensor, Offset: -1,
				Reason: fmt.Sprintf("byte %d is %d, want 0 or 1: train again", i, b)}
		}
		if b == 1 {
			f.Columns = append(f.Columns, i)
		}
	}
	return nil
}

// columnsTensor is the name of the mask in the head's file.
const columnsTensor = "columns"

// moments adds the moments of the blocks to a graph, in the order of f.Blocks.
func (f *Features) moments(net *Net) ([]*nn.Node, error) {
	var out []*nn.Node
	for _, b := range f.Blocks {
		n, err := nn.Apply(&nn.Moments{Name: b + ".moments"}, net.taps[b])
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}
