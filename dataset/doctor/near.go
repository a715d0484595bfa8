package doctor

import (
	"cmp"
	"context"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/unionfind"
)

// pair is two pictures, i < j, that may be nearly the same.
type pair struct {
	i, j     int
	distance float64 // 0..2, of the one from the nearest window of the other
	mirrored bool
	tinted   bool // in the same colours
}

// What counts as nearly the same picture. Measured on photographs, signs and drawn surfaces:
// TestPlantedCopies of cmd/rehead.
const (
	maxDistance = 0.033 // 1 - correlation of a picture and a window of the other
	// the same, as a share of the median of pictures of one label: where all resemble each other,
	// copies must more
	maxShare = 0.06
	// of equal pixels, beyond what rounding does
	minDistance = 2e-5
	// how many times that the distance by one of the first windows may be, for a better to be
	// looked for
	reach = 5
)

// hashIndex finds hashes by pieces of 16 bits.
type hashIndex [bands][1 << 16][]int32

const (
	bands   = 4  // pieces of 16 bits that a hash is found by
	maxBits = 10 // bits in which the hashes may differ; such hashes differ in at most 2 in one piece
)

// near16 are the masks of up to two bits of 16.
var near16 = func() []uint16 {
	masks := []uint16{0}
	for a := range 16 {
		masks = append(masks, 1<<a)
		for b := range a {
			masks = append(masks, 1<<a|1<<b)
		}
	}
	return masks
}()

func (t *hashIndex) add(hash uint64, i int32) {
	for band := range bands {
		piece := uint16(hash >> (16 * band))
		t[band][piece] = append(t[band][piece], i)
	}
}

// find calls met with what may lie within maxBits, some more than once.
func (t *hashIndex) find(hash uint64, met func(i int32)) {
	for band := range bands {
		piece := uint16(hash >> (16 * band))
		for _, mask := range near16 {
			for _, i := range t[band][piece^mask] {
				met(i)
			}
		}
	}
}

const (
	maxMet      = 4096 // pictures that are looked at for one, at most
	maxPartners = 16   // of which it is held against the nearest
)

// probes are the hashes that a picture's copies may have: its own, its mirror image's, its
// middle's.
func (p *fingerprint) probes() (out [5]uint64) {
	out[0], out[1] = p.hash, p.mirror
	for k, size := range []float64{0.94, 0.88, 0.81} {
		var luma [grid * grid]float64
		for i := range luma {
			x, y := (float64(i%grid)+0.5)/grid-0.5, (float64(i/grid)+0.5)/grid-0.5
			luma[i] = float64(p.at(float32((0.5+size*x)*grid-0.5), float32((0.5+size*y)*grid-0.5)))
		}
		out[2+k], _ = hashOf(&luma)
	}
	return out
}

// hashPairs lists pictures whose hashes are near each other. The work grows with the number of
// pictures, not with its square.
func (c *Checkup) hashPairs() []pair {
	var index hashIndex
	for i := range c.prints {
		if c.comparable(i) {
			index.add(c.prints[i].hash, int32(i))
		}
	}
	lists := make([][]pair, len(c.prints))
	par.Do(c.cfg.Workers, c.cfg.Workers, func(worker int) {
		met := make([]int32, len(c.prints)) // the picture that was last held against this one, and 1
		type partner struct{ j, bits int }
		for i := worker; i < len(c.prints); i += c.cfg.Workers {
			if !c.comparable(i) {
				continue
			}
			var partners []partner
			probes, count := c.prints[i].probes(), 0
			for _, probe := range probes {
				index.find(probe, func(j int32) {
					if met[j] == int32(i+1) || int(j) == i || count == maxMet {
						return
					}
					met[j] = int32(i + 1)
					count++
					least := 64
					for _, p := range probes {
						least = min(least, bits.OnesCount64(p^c.prints[j].hash))
					}
					if least <= maxBits {
						partners = append(partners, partner{int(j), least})
					}
				})
			}
			slices.SortFunc(partners, func(a, b partner) int { return cmp.Or(a.bits-b.bits, a.j-b.j) })
			for _, p := range partners[:min(len(partners), maxPartners)] {
				lists[i] = append(lists[i], pair{i: min(i, p.j), j: max(i, p.j)})
			}
		}
	})
	return distinctPairs(slices.Concat(lists...))
}

// comparable tells whether a picture shows something that no earlier one of the same bytes does.
func (c *Checkup) comparable(i int) bool {
	return c.pictures[i].err == nil && !c.repeats[i] && c.prints[i].detail >= featureless
}

// distinctPairs sorts pairs and leaves each once.
func distinctPairs(pairs []pair) []pair {
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(a.i-b.i, a.j-b.j) })
	return slices.CompactFunc(pairs, func(a, b pair) bool { return a.i == b.i && a.j == b.j })
}

// chunk is how many pairs a goroutine measures at a time.
const chunk = 64

// measure fills in how far the pictures of pairs are apart, exactly so for those only that may come
// down to bound(i, j).
func (c *Checkup) measure(ctx context.Context, pairs []pair, bound func(i, j int) float64) error {
	type end struct{ picture, pair, side int }
	ends := make([]end, 0, 2*len(pairs))
	for k, p := range pairs {
		ends = append(ends, end{p.i, k, 0}, end{p.j, k, 1})
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Or(a.picture-b.picture, a.pair-b.pair) })
	sides := make([][2]aligned, len(pairs)) // the window is of i, of j
	aligners := make([]aligner, c.cfg.Workers)
	chunks := (len(ends) + chunk - 1) / chunk
	err := par.Each(ctx, c.cfg.Workers, chunks, func(worker, n int) error {
		taken := -1
		for _, e := range ends[n*chunk : min((n+1)*chunk, len(ends))] {
			if taken != e.picture {
				aligners[worker].take(&c.prints[e.picture])
				taken = e.picture
			}
			other := pairs[e.pair].i + pairs[e.pair].j - e.picture
			sides[e.pair][e.side] = aligners[worker].hold(&c.prints[other])
		}
		return nil
	})
	if err != nil {
		return err
	}
	return par.Each(ctx, c.cfg.Workers, len(pairs), func(_, k int) error {
		p, most := &pairs[k], bound(pairs[k].i, pairs[k].j)
		p.distance = 3
		of, other := &c.prints[p.i], &c.prints[p.j]
		if sides[k][1].distance < sides[k][0].distance { // the likelier side first
			of, other = other, of
			slices.Reverse(sides[k][:])
		}
		for _, side := range sides[k] {
			if p.distance > most && side.distance <= reach*most {
				side.refine(of, other)
			}
			if side.distance < p.distance {
				p.distance, p.mirrored = side.distance, side.mirrored
				p.tinted = p.distance <= most && of.tinted(side.window, other, side.mirrored)
			}
			of, other = other, of
		}
		return nil
	})
}

// fewSamples are enough for a label's own median.
const fewSamples = 12

// measureBounds finds out what is far for pictures of each label: the largest distance of copies.
func (c *Checkup) measureBounds(ctx context.Context) error {
	byLabel := make([][]int, len(c.folder.Labels))
	for i, it := range c.folder.Items {
		if c.comparable(i) {
			byLabel[it.Label] = append(byLabel[it.Label], i)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var pairs []pair
	for _, items := range byLabel {
		for range min(max(300/len(byLabel), fewSamples), 60, len(items)*(len(items)-1)/2) {
			a, b := rng.IntN(len(items)), rng.IntN(len(items)-1)
			if b >= a {
				b++
			}
			pairs = append(pairs, pair{i: items[min(a, b)], j: items[max(a, b)]})
		}
	}
	if err := c.measure(ctx, pairs, func(int, int) float64 { return 2 }); err != nil {
		return err
	}
	all, each := []float64(nil), make([][]float64, len(byLabel))
	for _, p := range pairs {
		label := c.folder.Items[p.i].Label
		all, each[label] = append(all, p.distance), append(each[label], p.distance)
	}
	bound := func(distances []float64) float64 {
		if len(distances) == 0 {
			return maxDistance
		}
		slices.Sort(distances)
		return min(max(maxShare*distances[len(distances)/2], minDistance), maxDistance)
	}
	c.bounds = make([]float64, len(byLabel))
	for label, distances := range each {
		if c.bounds[label] = bound(all); len(distances) >= fewSamples {
			c.bounds[label] = bound(distances)
		}
	}
	return nil
}

// bound is the largest distance of two pictures that count as nearly the same.
func (c *Checkup) bound(i, j int) float64 {
	return min(c.bounds[c.folder.Items[i].Label], c.bounds[c.folder.Items[j].Label])
}

// alike tells whether a measured pair looks like one picture.
func (c *Checkup) alike(p pair) bool {
	return p.distance <= c.bound(p.i, p.j) && p.tinted
}

// groups joins pairs, the nearest first, to groups of which every picture agrees with every other,
// and returns the pairs that are left within groups. accept measures a pair that is not among
// pairs. In large groups a few pictures answer for all.
func (c *Checkup) groups(pairs []pair, accept func(p *pair) bool) []pair {
	const most = 8
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.distance, b.distance) })
	known, members := make(map[[2]int]bool, len(pairs)), make(map[int][]int)
	for _, p := range pairs {
		known[[2]int{p.i, p.j}] = true
		members[p.i], members[p.j] = []int{p.i}, []int{p.j}
	}
	joined := unionfind.New(len(c.prints))
	var out []pair
	agree := func(x, y int) bool {
		p := pair{i: min(x, y), j: max(x, y)}
		yes, met := known[[2]int{p.i, p.j}]
		if !met {
			yes = accept(&p)
			known[[2]int{p.i, p.j}] = yes
		}
		return yes
	}
	for _, p := range pairs {
		a, b := joined.Find(p.i), joined.Find(p.j)
		if a != b {
			left, right := spread(members[a], most), spread(members[b], most)
			if slices.ContainsFunc(left, func(x int) bool {
				return slices.ContainsFunc(right, func(y int) bool { return !agree(x, y) })
			}) {
				continue
			}
			joined.Union(a, b)
			members[min(a, b)] = append(members[a], members[b]...)
		}
		out = append(out, p)
	}
	return out
}

// spread chooses at most n of the items, evenly.
func spread(items []int, n int) []int {
	if len(items) <= n {
		return items
	}
	out := make([]int, n)
	for k := range out {
		out[k] = items[k*(len(items)-1)/(n-1)]
	}
	return out
}

// one measures a single pair.
func (c *Checkup) one(ctx context.Context, p *pair) bool {
	pairs := []pair{*p}
	err := c.measure(ctx, pairs, c.bound)
	*p = pairs[0]
	return err == nil
}

// findNear finds pictures that look nearly the same.
func (c *Checkup) findNear(ctx context.Context) error {
	if err := c.measureBounds(ctx); err != nil {
		return err
	}
	pairs := c.hashPairs()
	if err := c.measure(ctx, pairs, c.bound); err != nil {
		return err
	}
	c.pairs = slices.DeleteFunc(pairs, func(p pair) bool { return !c.alike(p) })
	c.NearDuplicates = c.duplicates(c.groups(slices.Clone(c.pairs), func(p *pair) bool {
		return c.one(ctx, p) && c.alike(*p)
	}))
	return ctx.Err()
}
