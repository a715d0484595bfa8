package shards

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Stream says how a Set is read; the zero value works.
type Stream struct {
	Rows int // most of a block, a multiple of PageRows; 0 means 1,024
	// blocks that are in memory at a time: read ahead, or given to each and not released; at least 2, 0
	// means 8. As many are read at a time as are free
	Blocks    int
	From      int  // blocks to pass over
	IndexOnly bool // no features
	// optional: whether a block's features are wanted; called for each block in turn, from one goroutine
	Want func(b *Block) bool
}

// Block is a run of rows of one shard. It is the callback's until Release.
type Block struct {
	Number   int // of the block, from 0
	First    int // the place of its first row in the set
	Features []byte
	// one label a row: places among the set's labels, -1: none
	Labels []int32
	// several labels: each row's, ascending, in the place of Labels
	MultiLabel [][]int32
	Parts      []byte // as Index.Parts; nil: none is given

	sums   []byte
	n      int
	buffer []byte
	free   chan<- []byte
	lo     int
	ready  chan error
}

// Len returns how many rows the block has.
func (b *Block) Len() int {
	if b == nil {
		return 0
	}
	return b.n
}

// Sum returns the SHA-256 of the bytes of row i's picture; zeros where there is no such row.
func (b *Block) Sum(i int) (sum [sha256.Size]byte) {
	if b != nil && i >= 0 && i < b.n {
		copy(sum[:], b.sums[i*sha256.Size:])
	}
	return sum
}

// Release gives the block back. It is called once for each block, by any goroutine.
func (b *Block) Release() {
	if b == nil || b.free == nil {
		return
	}
	free := b.free
	b.Features, b.free = nil, nil
	free <- b.buffer
}

// reading is a shard that is read; the last of its blocks closes it.
type reading struct {
	*Shard
	index *Index
	file  File
	left  atomic.Int64
}

func (r *reading) done() error {
	if r.left.Add(-1) == 0 {
		return r.file.Close()
	}
	return nil
}

// Each calls each with the blocks of the set, in order, one at a time. A block is each's own until it
// is released, so that blocks may be worked on while others come. An error of each ends it.
func (s *Set) Each(ctx context.Context, c Stream, each func(b *Block) error) error {
	if s == nil || each == nil {
		return errNoSet
	}
	if c.Rows == 0 {
		c.Rows = 1024
	}
	if c.Blocks == 0 {
		c.Blocks = 8
	}
	if c.Rows < 0 || c.Rows%PageRows != 0 || c.Rows > MaxRows || c.Blocks < 2 || c.Blocks > 1<<16 || c.From < 0 {
		return fmt.Errorf("dataset: shards: stream: got %d rows a block, %d blocks and %d to pass over, want a multiple "+
			"of %d, 2 or more and 0 or more", c.Rows, c.Blocks, c.From, PageRows)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p := &pipe{set: s, Stream: c, free: make(chan []byte, c.Blocks), out: make(chan *Block, c.Blocks)}
	for range c.Blocks {
		p.free <- nil
	}
	p.wait.Go(func() {
		defer close(p.out)
		p.err = p.deal(ctx)
	})
	defer p.wait.Wait()
	defer func() { // whoever waits for a buffer is stopped, whoever reads has one
		stop()
		for b := range p.out {
			<-b.ready //nolint:errcheck // of what nobody wants any more
		}
	}()
	for b := range p.out {
		err := <-b.ready
		if err == nil {
			err = each(b)
		}
		if err != nil {
			return err
		}
	}
	return p.err
}

// pipe reads blocks ahead.
type pipe struct {
	Stream
	set  *Set
	free chan []byte
	out  chan *Block
	err  error
	wait sync.WaitGroup
}

// deal opens the shards in turn and has their blocks read, each as soon as there is a buffer.
func (p *pipe) deal(ctx context.Context) error {
	number := 0
	for i := range p.set.shards {
		m := &p.set.shards[i]
		blocks := (m.rows + p.Rows - 1) / p.Rows
		if number+blocks <= p.From {
			number += blocks
			continue
		}
		if err := p.shard(ctx, m, number); err != nil {
			return err
		}
		number += blocks
	}
	return nil
}

// shard deals the blocks of a shard, the first of which has a number.
func (p *pipe) shard(ctx context.Context, m *member, number int) error {
	opened, file, err := m.open()
	if err != nil {
		return err
	}
	r := &reading{Shard: opened, file: file}
	r.left.Store(1) // this one's
	fail := func(err error) error { return errors.Join(err, r.done()) }
	if opened.Rows != m.rows || len(opened.Labels) != len(m.label) || p.set.Key.differs(opened.Key) != "" ||
		opened.MultiLabel != p.set.MultiLabel {
		return fail(fmt.Errorf("dataset: shards: %s changed while it was read", m.Name))
	}
	if r.index, err = opened.Index(); err != nil {
		return fail(err)
	}
	for i, l := range r.index.Labels {
		if l >= 0 {
			r.index.Labels[i] = m.label[l]
		}
	}
	for _, set := range r.index.MultiLabel {
		for j, l := range set {
			set[j] = m.label[l]
		}
	}
	for lo := 0; lo < m.rows; lo, number = lo+p.Rows, number+1 {
		if number < p.From {
			continue
		}
		var buffer []byte
		select {
		case buffer = <-p.free:
		case <-ctx.Done():
			return fail(fmt.Errorf("dataset: shards: stopped: %w", context.Cause(ctx)))
		}
		p.block(r, m, Block{Number: number, First: m.first + lo, lo: lo, n: min(p.Rows, m.rows-lo), buffer: buffer})
	}
	return r.done()
}

// block hands a block out, and has it read.
func (p *pipe) block(r *reading, m *member, of Block) {
	b, x, hi := &of, r.index, of.lo+of.n
	b.free, b.ready = p.free, make(chan error, 1)
	b.sums = x.Sums[b.lo*sha256.Size : hi*sha256.Size]
	if x.Labels != nil {
		b.Labels = x.Labels[b.lo:hi]
	} else {
		b.MultiLabel = x.MultiLabel[b.lo:hi]
	}
	if x.Parts != nil {
		b.Parts = x.Parts[b.lo:hi]
	}
	if p.IndexOnly || p.Want != nil && !p.Want(b) {
		b.ready <- nil
		p.out <- b
		return
	}
	r.left.Add(1)
	size := b.n * 2 * p.set.Key.Features
	if cap(b.buffer) < size {
		b.buffer = make([]byte, size)
	}
	b.buffer = b.buffer[:size]
	b.Features = b.buffer
	p.wait.Go(func() {
		err := r.Features(b.Features, x, b.lo, b.lo+b.n)
		b.ready <- errors.Join(err, r.done())
	})
	p.out <- b
}
