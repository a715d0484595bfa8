package inception

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/c236555e/rehead/dataset"
)

// EmbedConfig sets how EmbedAll shares out its work; the zero value is good.
type EmbedConfig struct {
	Batch    int            // most pictures in one forward pass; 0 means 4
	Decoders int            // goroutines that read, decode and resize; 0 means GOMAXPROCS
	Limits   dataset.Limits // of one picture

	// Load, where it is set, turns the bytes of picture i into the network's input [3,Size,Size] in place of the recipe; called from several
	// goroutines.
	Load func(i int, data []byte, dst []float32) error
}

// Validate names the first field that is wrong.
func (c EmbedConfig) Validate() error {
	if c.Batch < 0 || c.Batch > 1<<12 {
		return fmt.Errorf("inception: EmbedConfig.Batch is %d, want 0 (for 4) to %d", c.Batch, 1<<12)
	}
	if c.Decoders < 0 || c.Decoders > 1<<12 {
		return fmt.Errorf("inception: EmbedConfig.Decoders is %d, want 0 (for one a processor) to %d", c.Decoders, 1<<12)
	}
	return nil
}

// EmbedAll turns pictures 0..n-1 into bottlenecks. read(i) returns the bytes of picture i and is called from several
// goroutines; emit is called from the caller's goroutine in order of i, with the bottleneck [Features], which is valid
// until emit returns, or with the error that kept this picture from being read or decoded, after which the run goes on.
//
// Reading overlaps the forward pass. So do decoding and resizing where the network leaves processors for them; where it
// uses every one, in step, a decoder that took one of them away would hold up all the others, so then decoding has all
// processors between two passes and none during one. At most 3*Batch+Decoders pictures are held at a time, as [3,Size,Size] tensors. An error of
// emit, of the forward pass or of ctx ends the run and is returned, after every goroutine has ended.
func (t *Trunk) EmbedAll(ctx context.Context, n int, read func(i int) ([]byte, error), emit func(i int, vec []float32, err error) error, cfg EmbedConfig) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.Batch == 0 {
		cfg.Batch = 4
	}
	if cfg.Decoders == 0 {
		cfg.Decoders = runtime.GOMAXPROCS(0)
	}
	if n <= 0 {
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	held := min(n, 2*cfg.Batch+cfg.Decoders)
	p := &pipeline{
		trunk: t, cfg: cfg, n: n, read: read,
		free:    make(chan []float32, held),
		decoded: make(chan picture, held),
		batches: make(chan batch, 1),
		spare:   make(chan batch, 3),
		inTurn:  t.program.Device() == "cpu" && t.program.Threads() >= runtime.GOMAXPROCS(0),
	}
	for range held {
		p.free <- nil // made on first use, so that a short run stays small
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
	free    chan []float32 // input tensors that nobody uses
	decoded chan picture   // in any order; has room for all that are held
	batches chan batch     // in order
	spare   chan batch     // to be filled again

	inTurn bool         // decoders and the network take turns
	turn   sync.RWMutex // then held by the network to write, by decoders to read
}

// job is a picture to be decoded, and where to.
type job struct {
	i   int
	dst []float32
}

// picture is one that was decoded, or could not be.
type picture struct {
	i      int
	pixels []float32
	err    error
}

// batch is a run of neighbouring pictures with their bottlenecks.
type batch struct {
	pictures []picture // without pixels
	vectors  []float32 // [good pictures, Features]
	err      error     // ends the run
}

// deal hands out pictures in order. A picture gets its tensor here, before any later one does, so the picture that all
// others wait for can always be finished.
func (p *pipeline) deal(ctx context.Context, todo chan<- job) {
	defer close(todo)
	for i := range p.n {
		var dst []float32
		select {
		case dst = <-p.free:
		case <-ctx.Done():
			return
		}
		if dst == nil {
			dst = make([]float32, p.trunk.pixels())
		}
		select {
		case todo <- job{i, dst}:
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
			err = p.load(j.i, data, j.dst)
		}
		p.decoded <- picture{j.i, j.dst, err}
	}
}

// load decodes and resizes one picture, when it is the decoders' turn.
func (p *pipeline) load(i int, data []byte, dst []float32) error {
	if p.inTurn {
		p.turn.RLock()
		defer p.turn.RUnlock()
	}
	if p.cfg.Load != nil {
		return p.cfg.Load(i, data, dst)
	}
	_, err := p.trunk.weights.Recipe.Load(data, p.cfg.Limits, dst)
	return err
}

// embed runs the network, when it is its turn.
func (p *pipeline) embed(ctx context.Context, n int, input, vectors []float32) error {
	if p.inTurn {
		p.turn.Lock()
		defer p.turn.Unlock()
	}
	return p.trunk.Embed(ctx, n, input, vectors)
}

// enough reports whether a pass should begin with the pictures that wait: with the next one where decoding goes on beside
// it, with a full batch where it does not.
func (p *pipeline) enough(waiting map[int]picture, next int) bool {
	want := 1
	if p.inTurn {
		want = min(p.cfg.Batch, p.n-next)
	}
	for i := range want {
		if _, ok := waiting[next+i]; !ok {
			return false
		}
	}
	return true
}

// forward puts pictures in order and runs the network on as many as are ready.
func (p *pipeline) forward(ctx context.Context) {
	defer close(p.batches)
	waiting := make(map[int]picture, cap(p.decoded))
	var input []float32
	for next := 0; next < p.n; {
		if !p.enough(waiting, next) {
			select {
			case pic := <-p.decoded:
				waiting[pic.i] = pic
			case <-ctx.Done():
				return
			}
			continue
		}
		for more := true; more; {
			select {
			case pic := <-p.decoded:
				waiting[pic.i] = pic
			default:
				more = false
			}
		}
		var b batch
		select {
		case b = <-p.spare:
		case <-ctx.Done():
			return
		}
		b.pictures, input = b.pictures[:0], input[:0]
		good := 0
		for len(b.pictures) < p.cfg.Batch {
			pic, ok := waiting[next]
			if !ok {
				break
			}
			delete(waiting, next)
			next++
			if pic.err == nil {
				input = append(input, pic.pixels...)
				good++
			}
			p.free <- pic.pixels
			pic.pixels = nil
			b.pictures = append(b.pictures, pic)
		}
		if need := good * p.trunk.Features(); cap(b.vectors) < need {
			b.vectors = make([]float32, need)
		} else {
			b.vectors = b.vectors[:need]
		}
		if good > 0 {
			b.err = p.embed(ctx, good, input, b.vectors)
		}
		select {
		case p.batches <- b:
		case <-ctx.Done():
			return
		}
	}
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
