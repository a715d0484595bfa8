package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/c236555e/rehead/internal/unionfind"
)

// RefineConfig sets Refine. The zero value works.
type RefineConfig struct {
	Neighbours int     // nearest pictures that vote on a label; 0 means 10
	Margin     float64 // share of the votes, 0..1, by which another label must lead; 0 means 0.5
	// largest cosine distance of the bottlenecks of nearly equal pictures, however they look,
	// 0..2, but at most a fortieth of what is usual between neighbours; 0 means 0.02
	Near    float64
	Apart   float64 // cosine distance beyond which pictures that look alike are told apart after all; 0 means 1
	Workers int     // goroutines; 0 means GOMAXPROCS
}

func (c RefineConfig) withDefaults() (RefineConfig, error) {
	if c.Neighbours < 0 || c.Workers < 0 || c.Workers > maxWorkers ||
		!(c.Margin >= 0 && c.Margin < 1) || !(c.Near >= 0) || !(c.Apart >= 0) {
		return c, fmt.Errorf("dataset: refine: got %+v, want nothing negative and a margin below 1", c)
	}
	c.Neighbours = cmp.Or(c.Neighbours, 10)
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	c.Margin = cmp.Or(c.Margin, 0.5)
	c.Near = cmp.Or(c.Near, 0.02)
	c.Apart = cmp.Or(c.Apart, 1)
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

// Refine goes on where Check ended, with what the network sees: bottlenecks[i], of one length,
// belongs to item i of the folder, nil where there is none; they are not kept or changed. Pictures
// that look alike stay nearly equal only when their bottlenecks are no further apart than
// cfg.Apart; a picture's nearest neighbours become so too when they look alike, and nearer than
// cfg.Near however they look. Groups are complete: each picture of one agrees with each other.
// Pictures whose neighbours vote for another label are listed, the surest first; where pictures
// have several labels none are. Distances are those of the bottlenecks with each feature's mean
// taken away and its spread made one.
//
// Of more than 1,024 pictures the neighbours are looked for in a random projection first, so that a
// few may be missed. Fewer than 20 leave everything as it is. An error means wrong lengths, or that
// ctx ended.
func (c *Checkup) Refine(ctx context.Context, bottlenecks [][]float32, cfg RefineConfig) error {
	s, near, cfg, err := c.refineNear(ctx, bottlenecks, cfg)
	if err != nil || near == nil {
		return err
	}
	c.Disagreements = c.disagreements(s, near, cfg)
	c.report()
	return nil
}

// RefineNear is Refine for the nearly equal pictures alone.
func (c *Checkup) RefineNear(ctx context.Context, bottlenecks [][]float32, cfg RefineConfig) error {
	_, near, _, err := c.refineNear(ctx, bottlenecks, cfg)
	if err == nil && near != nil {
		c.report()
	}
	return err
}

// refineNear groups the nearly equal pictures anew, and returns the neighbours of each: nil where
// there are too few pictures.
func (c *Checkup) refineNear(ctx context.Context, bottlenecks [][]float32, cfg RefineConfig) (s *space,
	near [][]neighbour, out RefineConfig, err error) {
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, nil, cfg, err
	}
	if c == nil || c.folder == nil {
		return nil, nil, cfg, errors.New("dataset: refine: got no checkup that Check returned")
	}
	if len(bottlenecks) != len(c.pictures) {
		return nil, nil, cfg, fmt.Errorf("dataset: refine: got %d bottlenecks, want one (or nil) for each of %d pictures",
			len(bottlenecks), len(c.pictures))
	}
	if s, err = newSpace(bottlenecks); err != nil || len(s.items) < fewest {
		return nil, nil, cfg, err
	}
	if near, err = s.nearest(ctx, cfg.Neighbours+s.crowd(c), cfg.Workers); err != nil {
		return nil, nil, cfg, err
	}
	pairs, err := c.refinePairs(ctx, s, near, cfg)
	if err != nil {
		return nil, nil, cfg, fmt.Errorf("dataset: refine: %w", err)
	}
	c.NearDuplicates = c.duplicates(pairs)
	c.addCosines(s, pairs)
	return s, near, cfg, nil
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

// nearest is how many neighbours of a picture are looked at for copies, besides a crowd.
const nearest = 3

// refinePairs drops pairs that the network tells apart, adds those that only it brings together,
// and returns what is left within groups.
func (c *Checkup) refinePairs(ctx context.Context, s *space, near [][]neighbour, cfg RefineConfig) ([]pair, error) {
	most := min(cfg.Near, usual(near)/40)
	cosine := func(p pair) float64 { // the distance, 0 where it is not known
		if a, b := s.at[p.i], s.at[p.j]; a >= 0 && b >= 0 {
			return 1 - s.cosine(a, b)
		}
		return 0
	}
	pairs := slices.Clone(c.pairs)
	for a, list := range near {
		for _, n := range list[:min(len(list), nearest+max(0, len(list)-cfg.Neighbours))] {
			i, j := s.items[a], s.items[n.row]
			if 1-n.cosine <= cfg.Apart && !c.repeats[i] && !c.repeats[j] {
				pairs = append(pairs, pair{i: min(i, j), j: max(i, j)})
			}
		}
	}
	pairs = distinctPairs(pairs)
	if err := c.measure(ctx, pairs, c.bound); err != nil {
		return nil, err
	}
	same := func(p pair) bool {
		d := cosine(p)
		return d <= cfg.Apart && c.alike(p) || d <= most && s.at[p.i] >= 0 && s.at[p.j] >= 0
	}
	pairs = slices.DeleteFunc(pairs, func(p pair) bool { return !same(p) })
	return c.groups(pairs, func(p *pair) bool {
		return c.one(ctx, p) && same(*p)
	}), ctx.Err()
}

// usual is the median distance of a picture and its third neighbour.
func usual(near [][]neighbour) float64 {
	var all []float64
	for _, list := range near {
		if n := min(len(list), nearest); n > 0 {
			all = append(all, 1-list[n-1].cosine)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
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

// copies joins the pictures that are the same or nearly.
func (c *Checkup) copies() unionfind.Groups {
	joined := unionfind.New(len(c.pictures))
	for _, group := range c.same {
		for _, i := range group[1:] {
			joined.Union(group[0], i)
		}
	}
	for _, t := range c.NearDuplicates {
		for _, i := range t.items[1:] {
			joined.Union(t.items[0], i)
		}
	}
	return joined
}

// disagreements lets each picture's nearest neighbours, copies of itself left out, vote on its
// label, by the square of the cosine.
func (c *Checkup) disagreements(s *space, near [][]neighbour, cfg RefineConfig) []Disagreement {
	out := []Disagreement{}
	if c.folder.MultiLabel { // neighbours vote for one label
		return out
	}
	copies, item := c.copies(), make(map[string]int)
	for a, list := range near {
		d, ok := c.vote(s, s.items[a], list, copies, cfg.Neighbours)
		if ok && d.Suggested != d.Label && d.Share-d.OwnShare > cfg.Margin {
			out = append(out, d)
			item[d.Image] = s.items[a]
		}
	}
	slices.SortFunc(out, func(a, b Disagreement) int {
		return cmp.Or(cmp.Compare(b.Share-b.OwnShare, a.Share-a.OwnShare), item[a.Image]-item[b.Image])
	})
	return out
}

// vote asks at most voters neighbours of item i for its label; false where there are fewer than 3.
func (c *Checkup) vote(s *space, i int, list []neighbour, copies unionfind.Groups,
	voters int) (d Disagreement, ok bool) {
	items, labels := c.folder.Items, c.folder.Labels
	votes, sum, taken := make([]float64, len(labels)), 0.0, 0
	met := map[int]bool{copies.Find(i): true} // one vote for a group of copies
	d = Disagreement{Image: items[i].Rel, Label: labels[items[i].Label]}
	for _, n := range list {
		j := s.items[n.row]
		root := copies.Find(j)
		if taken == voters || met[root] {
			continue
		}
		met[root] = true
		taken++
		w := max(n.cosine, 0)*max(n.cosine, 0) + 1e-9
		votes[items[j].Label] += w
		sum += w
		if len(d.Nearest) < 3 {
			d.Nearest = append(d.Nearest, Neighbour{items[j].Rel, labels[items[j].Label], n.cosine})
		}
	}
	if taken < 3 {
		return d, false
	}
	best := 0
	for l := range votes {
		if votes[l] > votes[best] {
			best = l
		}
	}
	d.Suggested, d.Share, d.OwnShare = labels[best], votes[best]/sum, votes[items[i].Label]/sum
	return d, true
}
