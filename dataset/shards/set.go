package shards

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/c236555e/rehead/internal/par"
)

// Set is many shards of one key as one list of rows. Its fields are only to be read.
type Set struct {
	Key        Key
	MultiLabel bool
	Labels     []string // of all shards, sorted by bytes
	Rows       int

	shards []member
	digest [sha256.Size]byte
}

// member is one of the shards.
type member struct {
	Place
	rows  int
	first int     // the place of its first row in the set
	label []int32 // where each of its labels is in the set's
}

// openers is how many shards are opened at a time.
const openers = 8

// OpenSet opens the headers of shards, in the order that is given. Shards of different keys, and those
// of one label a row beside those of several, are an error that names the first of them.
func OpenSet(ctx context.Context, places []Place) (*Set, error) {
	if len(places) == 0 {
		return nil, errors.New("dataset: shards: got none, want at least one")
	}
	if err := distinct(places); err != nil {
		return nil, err
	}
	heads := make([]*Shard, len(places))
	err := par.Each(ctx, openers, len(places), func(_, i int) error {
		s, f, err := places[i].open()
		if err != nil {
			return err
		}
		s.file, s.r = nil, nil
		heads[i] = s
		return f.Close()
	})
	if err != nil {
		return nil, err
	}
	s := &Set{Key: heads[0].Key, MultiLabel: heads[0].MultiLabel}
	place := map[string]int32{}
	digest := sha256.New()
	for i, h := range heads {
		_, _ = fmt.Fprintf(digest, "%d %d %x\x00", places[i].Size, h.Rows, h.digest) // a hash takes everything
		if err := s.Key.Check(h.Name, h.Key); err != nil {
			return nil, fmt.Errorf("%w; %s was the first", err, heads[0].Name)
		}
		if h.MultiLabel != s.MultiLabel {
			return nil, fmt.Errorf("dataset: shards: of %s and %s one has several labels a picture and one does not: "+
				"embed all with --multi-label, or none", heads[0].Name, h.Name)
		}
		s.shards = append(s.shards, member{Place: places[i], rows: h.Rows, first: s.Rows})
		s.Rows += h.Rows
		for _, l := range h.Labels {
			place[l] = 0
		}
	}
	digest.Sum(s.digest[:0])
	s.Labels = slices.Sorted(maps.Keys(place))
	for i, l := range s.Labels {
		place[l] = int32(i)
	}
	for i, h := range heads {
		for _, l := range h.Labels {
			s.shards[i].label = append(s.shards[i].label, place[l])
		}
	}
	return s, nil
}

// Shards returns how many there are.
func (s *Set) Shards() int {
	if s == nil {
		return 0
	}
	return len(s.shards)
}

// count is how many rows there are.
func (s *Set) count() int {
	if len(s.shards) == 0 {
		return 0
	}
	last := &s.shards[len(s.shards)-1]
	return last.first + last.rows
}

// Digest is a hash of the shards' headers, in their order: of their checksums, labels and sizes.
func (s *Set) Digest() (sum [sha256.Size]byte) {
	if s != nil {
		sum = s.digest
	}
	return sum
}

// errNoSet is what a set answers that OpenSet did not return.
var errNoSet = errors.New("dataset: shards: got no set of shards, want one that OpenSet returned")

// Paths returns the paths of some rows, by their places in the set, ascending.
func (s *Set) Paths(ctx context.Context, rows []int) ([]string, error) {
	if s == nil {
		return nil, errNoSet
	}
	out := make([]string, 0, len(rows))
	for at := 0; at < len(rows); {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("dataset: shards: stopped: %w", err)
		}
		if rows[at] < 0 || rows[at] >= s.count() || at > 0 && rows[at] < rows[at-1] {
			return nil, fmt.Errorf("dataset: shards: got row %d, want rows of %d, ascending", rows[at], s.count())
		}
		i, found := slices.BinarySearchFunc(s.shards, rows[at],
			func(m member, row int) int { return cmp.Compare(m.first, row) })
		if !found {
			i--
		}
		m := &s.shards[i]
		opened, f, err := m.open()
		if err != nil {
			return nil, err
		}
		paths, err := opened.Paths()
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		if len(paths) != m.rows {
			return nil, fmt.Errorf("dataset: shards: %s changed while it was read", m.Name)
		}
		for ; at < len(rows) && rows[at] >= m.first && rows[at] < m.first+m.rows; at++ {
			out = append(out, paths[rows[at]-m.first])
		}
	}
	return out, nil
}

// Same are the places in a set of rows whose pictures have the same bytes, ascending.
type Same []int

// sumBytes is what one digest takes that is held.
const sumBytes = 40

// Duplicates lists the rows whose pictures have the same bytes, by their first. It holds memory bytes
// at most, at least 1 MiB, and reads the shards' digests as often as that takes; of more than most
// groups it lists the first, in the order of their digests, and counts all rows that are one too many.
func (s *Set) Duplicates(ctx context.Context, memory int64, most int) (list []Same, extra int, err error) {
	if s == nil {
		return nil, 0, errNoSet
	}
	type row struct {
		sum [sha256.Size]byte
		at  int
	}
	parts := 1
	for int64(s.count())*sumBytes/int64(parts) > max(memory, 1<<20)/4*3 && parts < 1<<24 {
		parts *= 2
	}
	var held []row
	for part := range parts {
		held = held[:0]
		err := s.Each(ctx, Stream{IndexOnly: true}, func(b *Block) error {
			for i := range b.Len() {
				sum := b.Sum(i)
				if int(binary.BigEndian.Uint32(sum[:])>>8)*parts>>24 == part {
					held = append(held, row{sum, b.First + i})
				}
			}
			b.Release()
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		slices.SortFunc(held, func(a, b row) int {
			return cmp.Or(slices.Compare(a.sum[:], b.sum[:]), cmp.Compare(a.at, b.at))
		})
		for lo := 0; lo < len(held); {
			hi := lo + 1
			for hi < len(held) && held[hi].sum == held[lo].sum {
				hi++
			}
			if hi-lo > 1 {
				extra += hi - lo - 1
				if len(list) < most {
					var same Same
					for _, r := range held[lo:hi] {
						same = append(same, r.at)
					}
					list = append(list, same)
				}
			}
			lo = hi
		}
	}
	return list, extra, nil
}
