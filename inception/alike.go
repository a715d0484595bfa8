package inception

import (
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
)

// A picture is unlike all training pictures when its nearest is less like it than nearly every kept
// one is like the nearest other: all but a share of unlikeShare, of at least unlikeAmong pictures (what
// that finds stands in docs/decisions.md).
const (
	unlikeShare = 0.05
	unlikeAmong = 50
)

// alikeWork bounds the multiplications that it takes to know how like each other the kept pictures
// are: beyond, an even sample of them is looked at.
const alikeWork = 1 << 30

// alike is how like its nearest other one each kept picture is, ascending; nil without pictures to
// compare.
func (n *Neighbours) alike() []float64 {
	if n == nil || len(n.Pictures) < 2 {
		return nil
	}
	p := len(n.Pictures)
	f := len(n.Vectors) / p
	sample := min(p, max(unlikeAmong, alikeWork/(p*f)))
	out := make([]float64, sample)
	for s := range out {
		i := s * p / sample
		best := numeric.TopK(p, 1, func(j int) (float64, bool) {
			return numeric.Dot(n.Vectors[i*f:(i+1)*f], n.Vectors[j*f:(j+1)*f]), i != j
		})
		out[s] = best[0].Score
	}
	slices.Sort(out)
	return out
}

// rank puts the similarity of each of the nearest pictures in its place among all, and says whether
// the picture is unlike every one.
func rank(nearest []Neighbour, alike []float64) (unlike bool) {
	if len(alike) == 0 {
		return false
	}
	for i := range nearest {
		below, _ := slices.BinarySearch(alike, nearest[i].Similarity)
		share := float64(below) / float64(len(alike))
		nearest[i].Rank = &share
	}
	return len(nearest) > 0 && len(alike) >= unlikeAmong && *nearest[0].Rank <= unlikeShare
}
