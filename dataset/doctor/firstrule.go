package doctor

import (
	"math"
	"math/bits"

	"github.com/c236555e/rehead/internal/unionfind"
)

// What counted as nearly the same picture by the first rule, which models of that time were split
// by.
const (
	maxUnlike = 0.06 // 1 - correlation of the tiny pictures' luma
	maxShift  = 48   // difference of mean luma, of 255
	firstTint = 7    // mean difference of chroma, of 255
	maxTried  = 4096 // candidates a picture is held against at most
)

// FirstNear returns the groups of nearly equal pictures by the first rule (dataset.SplitConfig.Near
// 1): chains of pictures whose perceptual hashes and tiny pictures are alike.
func (c *Checkup) FirstNear() [][]int {
	groups := unionfind.New(len(c.prints))
	members := map[int][]int{}
	for _, p := range firstPairs(c.prints, c.comparable) {
		groups.Union(p.i, p.j)
	}
	for i := range c.prints {
		members[groups.Find(i)] = append(members[groups.Find(i)], i)
	}
	var out [][]int
	for i := range c.prints {
		if len(members[i]) > 1 {
			out = append(out, members[i])
		}
	}
	return out
}

// unlike holds two tiny pictures against each other: 1 - correlation of luma, 0 for equal pictures;
// ok when they pass for one picture. With mirrored, b is flipped left to right.
func (a *fingerprint) unlike(b *fingerprint, mirrored bool) (distance float64, ok bool) {
	other := b.luma
	if mirrored {
		for y := range side {
			for x := range side {
				other[y*side+x] = b.luma[y*side+side-1-x]
			}
		}
	}
	distance = apart(&a.luma, &other)
	return distance, distance <= maxUnlike && a.firstTinted(b, mirrored)
}

// apart is 1 - correlation of two tiny pictures; 1 when either shows nothing or one is much
// brighter.
func apart(a, b *[side * side]uint8) float64 {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		va, vb := float64(a[i]), float64(b[i])
		sa, sb, saa, sbb, sab = sa+va, sb+vb, saa+va*va, sbb+vb*vb, sab+va*vb
	}
	const n = side * side
	spread := (saa - sa*sa/n) * (sbb - sb*sb/n)
	if !(spread > 0) || math.Abs(sa-sb)/n > maxShift {
		return 1
	}
	return math.Max(0, 1-(sab-sa*sb/n)/math.Sqrt(spread))
}

// firstTinted tells whether the colours are about the same.
func (a *fingerprint) firstTinted(b *fingerprint, mirrored bool) bool {
	tint := 0.0
	for c := range a.chroma {
		for i := range a.chroma[c] {
			at := i
			if mirrored {
				at = i/4*4 + 3 - i%4
			}
			tint += math.Abs(float64(a.chroma[c][i]) - float64(b.chroma[c][at]))
		}
	}
	return tint/32 <= firstTint
}

// firstPairs finds pictures that are nearly the same among those of use. A picture that matches
// several of one group is paired with one of them. The work grows with the number of pictures, not
// with its square.
func firstPairs(prints []fingerprint, use func(i int) bool) []pair {
	var tables hashIndex
	groups := unionfind.New(len(prints))
	tried := make([]int32, len(prints)) // the picture that was last held against this one
	var out []pair
	for i := range prints {
		p := &prints[i]
		if !use(i) || p.detail < featureless {
			continue
		}
		count := 0
		for flip, hash := range [2]uint64{p.hash, p.mirror} {
			tables.find(hash, func(j int32) {
				stamp := int32(2*i + flip + 1)
				if tried[j] == stamp || count == maxTried {
					return
				}
				tried[j] = stamp
				if bits.OnesCount64(hash^prints[j].hash) > maxBits || groups.Find(i) == groups.Find(int(j)) {
					return
				}
				count++
				if d, ok := p.unlike(&prints[j], flip == 1); ok {
					out = append(out, pair{i: int(j), j: i, distance: d, mirrored: flip == 1})
					groups.Union(i, int(j))
				}
			})
		}
		tables.add(p.hash, int32(i))
	}
	return out
}
