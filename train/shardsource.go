package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/train/head"
)

// shardSource gives a set's rows to a solver, each in its part.
type shardSource struct {
	*shards.Set
	split dataset.SplitConfig
	alone []bool // labels whose rows all go into train, as the split left none there
}

// ShardSource gives the rows of a set to head.FitStream, each in the part that it has by its picture's
// digest, unless it was given one: see RunShards.
func ShardSource(ctx context.Context, set *shards.Set, split dataset.SplitConfig) (head.Source, error) {
	if err := split.Validate(); err != nil {
		return nil, err
	}
	if set == nil {
		return nil, errors.New("train: shards: got no set of shards")
	}
	s, err := newShardSource(ctx, set, split)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// newShardSource deals the set's rows to parts.
func newShardSource(ctx context.Context, set *shards.Set, split dataset.SplitConfig) (*shardSource, error) {
	s := &shardSource{Set: set, split: split, alone: make([]bool, len(set.Labels))}
	trained := make([]bool, len(set.Labels))
	err := set.Each(ctx, shards.Stream{IndexOnly: true}, func(b *shards.Block) error {
		defer b.Release()
		h := s.batch(b)
		for i, p := range h.Parts {
			if p == head.PartTrain {
				for _, l := range labelsOf(h, i) {
					trained[l] = true
				}
			}
		}
		return nil
	})
	for l, t := range trained {
		s.alone[l] = !t
	}
	return s, err
}

func labelsOf(b *head.Batch, i int) []int {
	if b.MultiLabel != nil {
		return b.MultiLabel[i]
	}
	return b.Labels[i : i+1]
}

// Features is part of head.Source.
func (s *shardSource) Features() int { return s.Key.Features }

// Digest is part of head.Source.
func (s *shardSource) Digest() [sha256.Size]byte {
	sum := s.Set.Digest()
	return sha256.Sum256(fmt.Appendf(nil, "%x %+v", sum, s.split))
}

// batch is a block as the solver takes it.
func (s *shardSource) batch(b *shards.Block) *head.Batch {
	n := b.Len()
	h := &head.Batch{Number: b.Number, First: b.First, Parts: make([]head.Part, n), Release: b.Release}
	if b.MultiLabel != nil {
		h.MultiLabel = make([][]int, n)
	} else {
		h.Labels = make([]int, n)
	}
	for i := range n {
		alone := false
		if b.MultiLabel != nil {
			for _, l := range b.MultiLabel[i] {
				h.MultiLabel[i] = append(h.MultiLabel[i], int(l))
				alone = alone || s.alone[l]
			}
		} else {
			l := int(b.Labels[i])
			if h.Labels[i] = l; l < 0 {
				h.Parts[i] = head.PartNone
				continue
			}
			alone = s.alone[l]
		}
		part := dataset.Train
		if b.Parts != nil && b.Parts[i] > 0 {
			part = dataset.Split(b.Parts[i] - 1)
		} else if !alone {
			part = s.split.OfSum(b.Sum(i))
		}
		h.Parts[i] = head.Part(part)
	}
	return h
}

// Batches is part of head.Source.
func (s *shardSource) Batches(ctx context.Context, from int, want func(*head.Batch) bool,
	each func(*head.Batch) error) error {
	var mu sync.Mutex
	made := map[int]*head.Batch{}
	return s.Each(ctx, shards.Stream{From: from, Want: func(b *shards.Block) bool {
		h := s.batch(b)
		mu.Lock()
		made[b.Number] = h
		mu.Unlock()
		return want(h)
	}}, func(b *shards.Block) error {
		mu.Lock()
		h := made[b.Number]
		delete(made, b.Number)
		mu.Unlock()
		h.Half, h.Release = b.Features, b.Release
		return each(h)
	})
}
