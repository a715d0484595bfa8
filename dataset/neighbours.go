package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// RefineConfig sets Refine. The zero value works.
type RefineConfig struct {
	Neighbours int     // nearest pictures that vote on a label; 0 means 10
	Margin     float64 // share of the votes, 0..1, by which another label must lead; 0 means 0.5
	Near       float64 // largest cosine distance of the bottlenecks of nearly equal pictures, whatever they look like, 0..2; 0 means 0.02
	Apart      float64 // cosine distance beyond which pictures that look alike are told apart after all; 0 means 0.5
	Workers    int     // goroutines; 0 means GOMAXPROCS
}

func (c RefineConfig) withDefaults() (RefineConfig, error) {
	if c.Neighbours < 0 || c.Workers < 0 || !(c.Margin >= 0 && c.Margin < 1) || !(c.Near >= 0) || !(c.Apart >= 0) {
		return c, fmt.Errorf("dataset: refine: got %+v, want nothing negative and a margin below 1", c)
	}
	c.Neighbours = cmp.Or(c.Neighbours, 10)
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	c.Margin = cmp.Or(c.Margin, 0.5)
	c.Near = cmp.Or(c.Near, 0.02)
	c.Apart = cmp.Or(c.Apart, 0.5)
	return c, nil
}

// Disagreement is a picture whose nearest neighbours have another label.
type Disagreement struct {
	Image     string      `json:"image"` // Item.Rel
	Label     string      `json:"label"`
	Suggested string      `json:"suggested"` // the neighbours' label
	Share     float64     `json:"share"`     // of the votes for Suggested, 0..1
	OwnShare  float64     `json:"own_share"` // of the votes for Label, 0..1
	Nearest   []Neighbour `json:"nearest"`   // up to three, nearest first
}

// Neighbour is a picture near another.
type Neighbour struct {
	Image      string  `json:"image"`
	Label      string  `json:"label"`
	Similarity float64 `json:"similarity"` // cosine of the standardised bottlenecks, -1..1
}

// fewest is the number of bottlenecks below which neighbours say nothing.
const fewest = 20

// Refine goes on where Check ended, with what the network sees: bottlenecks[i], of one length, belongs to item i of the folder, nil where
// there is none; they are not kept or changed. Pictures whose tiny copies look alike stay nearly equal only when their bottlenecks are no
// further apart than cfg.Apart; nearer than that, pictures become so of which one looks like the middle of the other or is turned a little,
// and nearer than cfg.Near they do whatever they look like. Pictures whose neighbours vote for another label are listed, the surest first;
// where pictures have several labels none are.
// Distances are those of the bottlenecks with each feature's mean taken away and its spread made one.
//
// Of more than 1,024 pictures the neighbours are looked for in a random projection first, so that a few may be missed. Fewer than 20 leave
// everything as it is. An error means wrong lengths, or that ctx ended.
func (c *Checkup) Refine(ctx context.Context, bottlenecks [][]float32, cfg RefineConfig) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if len(bottlenecks) != len(c.pictures) {
		return fmt.Errorf("dataset: refine: got %d bottlenecks, want one (or nil) for each of %d pictures", len(bottlenecks), len(c.pictures))
	}
	s, err := newSpace(bottlenecks)
	if err != nil {
		return err
	}
	if len(s.items) < fewest {
		return nil
	}
	near, err := s.nearest(ctx, cfg.Neighbours+s.crowd(c), cfg.Workers)
	if err != nil {
		return err
	}
	pairs := c.refinePairs(s, near, cfg)
	c.NearDuplicates = c.twins(pairs)
	c.addCosines(s, pairs)
	c.Disagreements = c.disagreements(s, near, cfg)
	c.report()
	return nil
}

// crowd is how many copies of a picture may stand before its first true neighbour.
func (s *space) crowd(c *Checkup) int {
	most := 0
	for _, group := range c.same {
		most = max(most, len(group))
	}
	for _, t := range c.NearDuplicates {
		most = max(most, len(t.items))
	}
	return min(most, 50)
}

// refinePairs drops pairs that the network tells apart, and adds those that only it finds alike.
func (c *Checkup) refinePairs(s *space, near [][]neighbour, cfg RefineConfig) []pair {
	var out []pair
	together := newForest(len(c.pictures))
	for _, p := range c.pairs {
		if a, b := s.at[p.i], s.at[p.j]; a >= 0 && b >= 0 && 1-s.cosine(a, b) > cfg.Apart {
			continue
		}
		out = append(out, p)
		together.union(p.i, p.j)
	}
	for a, list := range near {
		for _, n := range list {
			i, j := s.items[a], s.items[n.row]
			if 1-n.cosine > cfg.Apart || c.repeats[i] || c.repeats[j] || together.find(i) == together.find(j) {
				continue
			}
			d, ok := c.prints[min(i, j)].cropped(&c.prints[max(i, j)])
			if ok || 1-n.cosine <= cfg.Near {
				together.union(i, j)
				out = append(out, pair{i: min(i, j), j: max(i, j), distance: min(d, 1)})
			}
		}
	}
	return out
}

func (c *Checkup) addCosines(s *space, pairs []pair) {
	at := map[int]int{}
	for n, t := range c.NearDuplicates {
		for _, i := range t.items {
			at[i] = n
		}
	}
	for _, p := range pairs {
		a, b := s.at[p.i], s.at[p.j]
		if a < 0 || b < 0 {
			continue
		}
		t, d := &c.NearDuplicates[at[p.i]], max(0, 1-s.cosine(a, b))
		if t.Cosine == nil || d > *t.Cosine {
			t.Cosine = &d
		}
	}
}

// disagreements lets each picture's nearest neighbours, copies of itself left out, vote on its label, by the square of the cosine.
func (c *Checkup) disagreements(s *space, near [][]neighbour, cfg RefineConfig) []Disagreement {
	copies := newForest(len(c.pictures))
	for _, group := range c.same {
		for _, i := range group[1:] {
			copies.union(group[0], i)
		}
	}
	for _, t := range c.NearDuplicates {
		for _, i := range t.items[1:] {
			copies.union(t.items[0], i)
		}
	}
	type ranked struct {
		Disagreement
		item int
	}
	var found []ranked
	if c.folder.Several { // neighbours vote for one label
		near = nil
	}
	votes := make([]float64, len(c.folder.Labels))
	for a, list := range near {
		clear(votes)
		i, sum, taken := s.items[a], 0.0, 0
		met := make(map[int]bool, cfg.Neighbours)
		d := Disagreement{Image: c.folder.Items[i].Rel, Label: c.folder.Labels[c.folder.Items[i].Label]}
		for _, n := range list {
			j := s.items[n.row]
			if root := copies.find(j); taken == cfg.Neighbours || root == copies.find(i) || met[root] {
				continue // one vote for a group of copies
			} else {
				met[root] = true
			}
			taken++
			label := c.folder.Items[j].Label
			w := max(n.cosine, 0)*max(n.cosine, 0) + 1e-9
			votes[label] += w
			sum += w
			if len(d.Nearest) < 3 {
				d.Nearest = append(d.Nearest, Neighbour{c.folder.Items[j].Rel, c.folder.Labels[label], n.cosine})
			}
		}
		if taken < 3 {
			continue
		}
		best := 0
		for l := range votes {
			if votes[l] > votes[best] {
				best = l
			}
		}
		own := c.folder.Items[i].Label
		d.Suggested, d.Share, d.OwnShare = c.folder.Labels[best], votes[best]/sum, votes[own]/sum
		if best != own && d.Share-d.OwnShare > cfg.Margin {
			found = append(found, ranked{d, i})
		}
	}
	slices.SortFunc(found, func(a, b ranked) int {
		if c := cmp.Compare(b.Share-b.OwnShare, a.Share-a.OwnShare); c != 0 {
			return c
		}
		return a.item - b.item
	})
	out := make([]Disagreement, len(found))
	for i, f := range found {
		out[i] = f.Disagreement
	}
	return out
}

// space is bottlenecks, standardised as they are needed.
type space struct {
	rows  [][]float32
	items []int // the item of each row
	at    []int // the row of each item, -1 for none
	mean  []float32
	scale []float32 // 1/spread; 0 for a feature that never changes
	norm  []float64
}

func newSpace(bottlenecks [][]float32) (*space, error) {
	s := &space{at: make([]int, len(bottlenecks))}
	features := 0
	for i, v := range bottlenecks {
		s.at[i] = -1
		if v == nil {
			continue
		}
		if features == 0 {
			features = len(v)
		}
		if len(v) != features || features == 0 {
			return nil, fmt.Errorf("dataset: refine: bottleneck %d has %d values, want %d as the others", i, len(v), features)
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, fmt.Errorf("dataset: refine: bottleneck %d has a value that is not finite", i)
			}
		}
		s.at[i] = len(s.rows)
		s.rows, s.items = append(s.rows, v), append(s.items, i)
	}
	sum, square := make([]float64, features), make([]float64, features)
	for _, v := range s.rows {
		for k, x := range v {
			sum[k] += float64(x)
		}
	}
	n := float64(len(s.rows))
	for _, v := range s.rows {
		for k, x := range v {
			d := float64(x) - sum[k]/n
			square[k] += d * d
		}
	}
	s.mean, s.scale = make([]float32, features), make([]float32, features)
	for k := range sum {
		s.mean[k] = float32(sum[k] / n)
		if spread := math.Sqrt(square[k] / n); spread > 1e-6 {
			s.scale[k] = float32(1 / spread)
		}
	}
	s.norm = make([]float64, len(s.rows))
	for a := range s.rows {
		s.norm[a] = math.Sqrt(s.dot(a, a))
	}
	return s, nil
}

func (s *space) dot(a, b int) float64 {
	va, vb, mean, scale := s.rows[a], s.rows[b], s.mean, s.scale
	vb, mean, scale = vb[:len(va)], mean[:len(va)], scale[:len(va)]
	sum := 0.0
	for k, x := range va {
		m, w := mean[k], scale[k]
		sum += float64((x - m) * w * ((vb[k] - m) * w))
	}
	return sum
}

// cosine of two rows, standardised.
func (s *space) cosine(a, b int) float64 {
	if n := s.norm[a] * s.norm[b]; n > 0 {
		return s.dot(a, b) / n
	}
	return 0
}

// neighbour is a row near another.
type neighbour struct {
	row    int
	cosine float64
}

const (
	exactly   = 1024 // rows up to which no projection is needed
	projected = 192  // dimensions of it
	blockRows = 128
)

// nearest finds the k rows nearest to each, nearest first.
func (s *space) nearest(ctx context.Context, k, workers int) ([][]neighbour, error) {
	n := len(s.rows)
	k = min(k, n-1)
	candidates, matrix := k, blas32.General{}
	if n <= exactly {
		matrix = s.standardised()
	} else {
		matrix, candidates = s.project(projected, workers), min(n-1, 4*k)
	}
	out := make([][]neighbour, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			scores := blas32.General{Rows: blockRows, Cols: n, Stride: n, Data: make([]float32, blockRows*n)}
			for ctx.Err() == nil {
				from := (int(next.Add(1)) - 1) * blockRows
				if from >= n {
					return
				}
				to := min(from+blockRows, n)
				block := blas32.General{Rows: to - from, Cols: matrix.Cols, Stride: matrix.Stride, Data: matrix.Data[from*matrix.Stride : to*matrix.Stride]}
				scores.Rows = to - from
				blas32.Gemm(blas.NoTrans, blas.Trans, 1, block, matrix, 0, scores)
				for a := from; a < to; a++ {
					out[a] = s.rank(a, k, largest(scores.Data[(a-from)*n:(a-from+1)*n], a, candidates))
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, errors.Join(errors.New("dataset: refine: stopped"), context.Cause(ctx))
	}
	return out, nil
}

// rank orders candidates by their true cosine and keeps k.
func (s *space) rank(a, k int, rows []int) []neighbour {
	out := make([]neighbour, len(rows))
	for i, b := range rows {
		out[i] = neighbour{b, s.cosine(a, b)}
	}
	slices.SortFunc(out, func(x, y neighbour) int {
		if c := cmp.Compare(y.cosine, x.cosine); c != 0 {
			return c
		}
		return x.row - y.row
	})
	return out[:min(k, len(out))]
}

// largest returns the places of the k largest scores, but for one, in any order.
func largest(scores []float32, but, k int) []int {
	heap := make([]int, 0, k) // the least of them first
	less := func(i, j int) bool { return scores[heap[i]] < scores[heap[j]] }
	down := func(i int) {
		for {
			c := 2*i + 1
			if c >= len(heap) {
				return
			}
			if c+1 < len(heap) && less(c+1, c) {
				c++
			}
			if !less(c, i) {
				return
			}
			heap[i], heap[c] = heap[c], heap[i]
			i = c
		}
	}
	for at, v := range scores {
		switch {
		case at == but:
		case len(heap) < k:
			if heap = append(heap, at); len(heap) == k {
				for i := k/2 - 1; i >= 0; i-- {
					down(i)
				}
			}
		case k > 0 && v > scores[heap[0]]:
			heap[0] = at
			down(0)
		}
	}
	return heap
}

// standardised is every row, of length one.
func (s *space) standardised() blas32.General {
	n, features := len(s.rows), len(s.mean)
	m := blas32.General{Rows: n, Cols: features, Stride: features, Data: make([]float32, n*features)}
	for a, v := range s.rows {
		s.standardise(m.Data[a*features:(a+1)*features], a, v)
	}
	return m
}

func (s *space) standardise(dst []float32, a int, v []float32) {
	inverse := float32(0)
	if s.norm[a] > 0 {
		inverse = float32(1 / s.norm[a])
	}
	for k, x := range v {
		dst[k] = (x - s.mean[k]) * s.scale[k] * inverse
	}
}

// project maps every standardised row to dims dimensions by random signs, which keeps angles up to about 1/sqrt(dims).
func (s *space) project(dims, workers int) blas32.General {
	n, features := len(s.rows), len(s.mean)
	rng := rand.New(rand.NewPCG(1, 2))
	signs := blas32.General{Rows: dims, Cols: features, Stride: features, Data: make([]float32, dims*features)}
	for i := range signs.Data {
		signs.Data[i] = float32(2*int(rng.Uint64()>>63) - 1)
	}
	m := blas32.General{Rows: n, Cols: dims, Stride: dims, Data: make([]float32, n*dims)}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			buf := make([]float32, blockRows*features)
			for {
				from := (int(next.Add(1)) - 1) * blockRows
				if from >= n {
					return
				}
				to := min(from+blockRows, n)
				for a := from; a < to; a++ {
					s.standardise(buf[(a-from)*features:(a-from+1)*features], a, s.rows[a])
				}
				block := blas32.General{Rows: to - from, Cols: features, Stride: features, Data: buf}
				part := blas32.General{Rows: to - from, Cols: dims, Stride: dims, Data: m.Data[from*dims : to*dims]}
				blas32.Gemm(blas.NoTrans, blas.Trans, 1, block, signs, 0, part)
			}
		})
	}
	wg.Wait()
	for a := range n { // to length one again
		row := m.Data[a*dims : (a+1)*dims]
		sum := 0.0
		for _, x := range row {
			sum += float64(x) * float64(x)
		}
		if sum > 0 {
			inverse := float32(1 / math.Sqrt(sum))
			for i := range row {
				row[i] *= inverse
			}
		}
	}
	return m
}
