package inception

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// crowd keeps n pictures around one direction of f.
func crowd(n, f int, spread float64) *Neighbours {
	rng := rand.New(rand.NewPCG(5, 6))
	c := &Neighbours{Vectors: make([]float32, n*f)}
	for i := range n {
		row := make([]float32, f)
		for k := range row {
			row[k] = float32(1 + spread*rng.NormFloat64())
		}
		_ = Unit(c.Vectors[i*f:(i+1)*f], row)
		c.Pictures = append(c.Pictures, TrainingPicture{Path: fmt.Sprint(i)})
	}
	return c
}

// TestNeighbourRanks: what is among the kept pictures is nearer than they are to each other, what is far from
// all is further, and of few pictures nothing is said to be unlike.
func TestNeighbourRanks(t *testing.T) {
	const f = 40
	for _, n := range []int{2, 20, 200} {
		c := crowd(n, f, 0.3)
		alike := c.alike()
		if len(alike) != n {
			t.Fatalf("got %d of %d pictures", len(alike), n)
		}
		same := c.nearest(c.Vectors[:f], 3)
		if rank(same, alike) || same[0].Rank == nil || *same[0].Rank != 1 {
			t.Errorf("%d: a kept picture itself: got %+v, want the rank 1", n, same[0])
		}
		away := make([]float32, f)
		away[3] = 1
		far := c.nearest(away, 3)
		if got := rank(far, alike); got != (n >= unlikeAmong) || *far[0].Rank != 0 {
			t.Errorf("%d: another direction: got %t and %+v, want the rank 0", n, got, far[0])
		}
		for i := 1; i < len(far); i++ {
			if *far[i].Rank > *far[i-1].Rank {
				t.Errorf("%d: ranks rise: %g after %g", n, *far[i].Rank, *far[i-1].Rank)
			}
		}
	}
	if one := crowd(1, f, 1); one.alike() != nil || rank(one.nearest(one.Vectors, 3), nil) {
		t.Error("one picture has others")
	}
	if (*Neighbours)(nil).alike() != nil {
		t.Error("no pictures are alike")
	}
}

// TestAlikeIsBounded: of many pictures a sample is compared, about as alike as all are.
func TestAlikeIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("compares thousands of pictures")
	}
	c := crowd(MaxNeighbours, 2048, 0.3)
	alike := c.alike()
	if len(alike) < unlikeAmong || len(alike) > 200 {
		t.Errorf("got %d pictures compared with %d", len(alike), MaxNeighbours)
	}
}

// TestExplainRanks: an explanation says where the nearest pictures stand.
func TestExplainRanks(t *testing.T) {
	c, err := NewClassifier(withNeighbours(t, small(t)), nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	x, err := c.Explain(t.Context(), &Input{Data: sketch(t, 0, 0)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range x.Nearest {
		if n.Rank == nil || !(*n.Rank >= 0 && *n.Rank <= 1) || math.IsNaN(n.Similarity) {
			t.Errorf("got %+v, want a rank", n)
		}
	}
	if x.Unlike || len(x.Nearest) != 3 {
		t.Errorf("got %d pictures, unlike %t", len(x.Nearest), x.Unlike)
	}
}
