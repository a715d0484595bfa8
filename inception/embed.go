package inception

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/turns"
)

// EmbedConfig sets how EmbedAll shares out its work; the zero value is good.
type EmbedConfig struct {
	Batch    int            // most pictures in one forward pass; 0 means the device's choice, 4 on the CPU
	Decoders int            // goroutines that read, decode and resize; 0 means GOMAXPROCS
	Limits   picture.Limits // of one picture

	// Load, where it is set, turns the bytes of picture i into the network's input [3,Size,Size] in
	// place of the recipe; called from several goroutines.
	Load func(i int, data []byte, dst []float32) error
}

// Validate names the first field that is wrong.
func (c EmbedConfig) Validate() error {
	if c.Batch < 0 || c.Batch > 1<<12 {
		return fmt.Errorf("inception: EmbedConfig.Batch is %d, want 0 (for the device's choice) to %d", c.Batch, 1<<12)
	}
	if c.Decoders < 0 || c.Decoders > 1<<12 {
		return fmt.Errorf("inception: EmbedConfig.Decoders is %d, want 0 (for one a processor) to %d", c.Decoders, 1<<12)
	}
	return nil
}

// EmbedAll turns pictures 0..n-1 into bottlenecks. read(i) returns the bytes of picture i and is
// called from several goroutines; emit is called from the caller's goroutine in order of i, with
// the bottleneck [Features], which is valid until emit returns, or with the error that kept this
// picture from being read or decoded, after which the run goes on.
//
// Reading overlaps the forward pass. So do decoding and resizing where the network leaves
// processors for them; where it uses every one, in step, a decoder that took one of them away would
// hold up all the others, so then decoding has all processors until every picture that may be held
// is there, and after that the network has them. At most max(2*Batch, 16+Batch, 4*Decoders+Batch)
// pictures are held at a time, as [3,Size,Size] tensors. An error of emit, of the forward pass or
// of ctx ends the run and is returned, after every goroutine has ended.
func (t *Trunk) EmbedAll(ctx context.Context, n int,
	read func(i int) ([]byte, error), emit func(i int, vec []float32, err error) error, cfg EmbedConfig) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.Batch == 0 {
		cfg.Batch = t.program.Batch()
	}
	if cfg.Decoders == 0 {
		cfg.Decoders = runtime.GOMAXPROCS(0)
	}
	if n <= 0 {
		return ctx.Err()
	}
	if read == nil || emit == nil {
		return errors.New("inception: embed: got nothing that reads pictures or takes bottlenecks")
	}
	ctx, cancel := context.WithCancel(ctx)
	slabs := min(max(2, (max(16, 4*cfg.Decoders)+cfg.Batch-1)/cfg.Batch), (n-1)/cfg.Batch+1)
	beside := t.DecodersBeside(cfg.Decoders, 1)
	p := &pipeline{
		trunk: t, cfg: cfg, n: n, read: read,
		slabs:   make([][]float32, slabs),
		free:    make(chan struct{}, slabs),
		decoded: make(chan decoded, slabs*cfg.Batch),
		batches: make(chan batch, 1),
		spare:   make(chan batch, 3),
		alone:   beside == 0,
		turns:   turns.New(cfg.Decoders, beside),
	}
	for range slabs {
		p.free <- struct{}{}
	}
	for range cap(p.spare) {
		p.spare <- batch{}
	}
	var wg sync.WaitGroup
	todo := make(chan job)
	wg.Go(func() { p.deal(ctx, todo) })
	for range min(n, cfg.Decoders) {
		wg.Go(func() { p.decode(ctx, todo) })
	}
	wg.Go(func() { p.forward(ctx) })
	err := p.deliver(ctx, emit)
	cancel()
	wg.Wait()
	return err
}

// pipeline is the state of one EmbedAll. Pictures pass deal, decode, forward and deliver in turn.
type pipeline struct {
	trunk   *Trunk
	cfg     EmbedConfig
	n       int
	read    func(i int) ([]byte, error)
	slabs   [][]float32   // of Batch input tensors each; picture i has its place in slab i/Batch modulo their number
	free    chan struct{} // a token for each slab whose pictures have passed
	decoded chan decoded  // in any order; has room for all that are held
	batches chan batch    // in order
	spare   chan batch    // to be filled again

	turns *turns.Turns
	alone bool // nothing is decoded while the network runs
}

// job is a picture to be decoded, and where to.
type job struct {
	i   int
	dst []float32
}

// decoded is a picture that was decoded, or could not be.
type decoded struct {
	i   int
	err error
}

// batch is a run of neighbouring pictures with their bottlenecks.
type batch struct {
	pictures []decoded
	vectors  []float32 // [good pictures, Features]
	err      error     // ends the run
}

// tensor returns the place of picture i.
func (p *pipeline) tensor(i int) []float32 {
	size := p.trunk.pixels()
	slab := p.slabs[i/p.cfg.Batch%len(p.slabs)]
	return slab[i%p.cfg.Batch*size:][:size]
}

// deal hands out pictures in order. A slab is handed out whole before the next one, so the picture
// that all others wait for can always be finished.
func (p *pipeline) deal(ctx context.Context, todo chan<- job) {
	defer close(todo)
	for i := range p.n {
		if i%p.cfg.Batch == 0 {
			select {
			case <-p.free:
			case <-ctx.Done():
				return
			}
			if slab := &p.slabs[i/p.cfg.Batch%len(p.slabs)]; *slab == nil { // made on first use, so that a short run stays small
				*slab = make([]float32, min(p.cfg.Batch, p.n-i)*p.trunk.pixels())
			}
		}
		select {
		case todo <- job{i, p.tensor(i)}:
		case <-ctx.Done():
			return
		}
	}
}

// decode is one of the goroutines that turn bytes into tensors.
func (p *pipeline) decode(ctx context.Context, todo <-chan job) {
	for j := range todo {
		if ctx.Err() != nil {
			return
		}
		data, err := p.read(j.i)
		if err == nil {
			err = p.load(ctx, j.i, data, j.dst)
		}
		p.decoded <- decoded{j.i, err}
	}
}

// load decodes and resizes one picture, when it is the decoders' turn.
func (p *pipeline) load(ctx context.Context, i int, data []byte, dst []float32) error {
	if err := p.turns.BeginDecode(ctx); err != nil {
		return err
	}
	defer p.turns.EndDecode()
	if p.cfg.Load != nil {
		return p.cfg.Load(i, data, dst)
	}
	_, err := p.trunk.weights.Recipe.Load(data, p.cfg.Limits, dst)
	return err
}

// forward puts pictures in order and runs the network on them, in phases between which the decoders
// have their turn.
func (p *pipeline) forward(ctx context.Context) {
	defer close(p.batches)
	waiting := make(map[int]decoded, cap(p.decoded))
	for next := 0; next < p.n; {
		// Where decoding goes on beside the network, a phase begins with the next picture, else
		// with all that may be held.
		want := 1
		if p.alone {
			want = min(len(p.slabs)*p.cfg.Batch, p.n-next)
		}
		if !p.gather(ctx, waiting, next, want) {
			return
		}
		var ok bool
		if next, ok = p.phase(ctx, waiting, next); !ok {
			return
		}
	}
}

// gather waits until the pictures from next on are there, want of them, and takes what else there
// is. It reports whether ctx goes on.
func (p *pipeline) gather(ctx context.Context, waiting map[int]decoded, next, want int) bool {
	for missing := next; missing < next+want; {
		if _, ok := waiting[missing]; ok {
			missing++
			continue
		}
		select {
		case pic := <-p.decoded:
			waiting[pic.i] = pic
		case <-ctx.Done():
			return false
		}
	}
	for {
		select {
		case pic := <-p.decoded:
			waiting[pic.i] = pic
		default:
			return ctx.Err() == nil
		}
	}
}

// phase passes the pictures that wait, batch by batch, and returns the one after them and whether
// the run goes on.
func (p *pipeline) phase(ctx context.Context, waiting map[int]decoded, next int) (int, bool) {
	p.turns.BeginPass()
	defer p.turns.EndPass()
	for {
		var b batch
		if _, ok := waiting[next]; !ok {
			return next, true
		}
		select {
		case b = <-p.spare:
		case <-ctx.Done():
			return next, false
		}
		next = p.pass(ctx, waiting, next, &b)
		select {
		case p.batches <- b:
		case <-ctx.Done():
			return next, false
		}
	}
}

// pass runs the network on the pictures that wait from next on, as far as their slab goes, and
// returns the one after them. Those that could not be decoded are closed up.
func (p *pipeline) pass(ctx context.Context, waiting map[int]decoded, next int, b *batch) int {
	size, first, good := p.trunk.pixels(), next, 0
	slab := p.slabs[first/p.cfg.Batch%len(p.slabs)][first%p.cfg.Batch*size:]
	b.pictures = b.pictures[:0]
	for pic, ok := waiting[next]; ok; pic, ok = waiting[next] {
		delete(waiting, next)
		next++
		if pic.err == nil {
			if at := len(b.pictures); good < at {
				copy(slab[good*size:][:size], slab[at*size:][:size])
			}
			good++
		}
		b.pictures = append(b.pictures, pic)
		if next%p.cfg.Batch == 0 {
			break
		}
	}
	need := good * p.trunk.Features()
	if cap(b.vectors) < need {
		b.vectors = make([]float32, need)
	}
	b.vectors = b.vectors[:need]
	if good > 0 {
		b.err = p.trunk.Embed(ctx, good, slab[:good*size], b.vectors)
	}
	if next%p.cfg.Batch == 0 {
		p.free <- struct{}{}
	}
	return next
}

// deliver calls emit for every picture.
func (p *pipeline) deliver(ctx context.Context, emit func(i int, vec []float32, err error) error) error {
	features := p.trunk.Features()
	done := 0
	for b := range p.batches {
		if b.err != nil {
			return b.err
		}
		vectors := b.vectors
		for _, pic := range b.pictures {
			var vec []float32
			if pic.err == nil {
				vec, vectors = vectors[:features:features], vectors[features:]
			}
			if err := emit(pic.i, vec, pic.err); err != nil {
				return err
			}
		}
		done += len(b.pictures)
		p.spare <- b // has room for all there are
	}
	if done < p.n {
		return ctx.Err()
	}
	return nil
}
