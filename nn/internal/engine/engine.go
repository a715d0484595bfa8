package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/cpuid/v2"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// inFlight returns the number of images that threads take through the regions
// together: more reuse the weights while they are in the cache, and evict each
// other's activations. The answers do not depend on it.
func inFlight(threads int) int { return min(threads*eachThread, 4) }

// eachThread is how many images in flight a thread's own cache has room for.
var eachThread = func() int {
	if l2 := cpuid.CPU.Cache.L2; 0 < l2 && l2 < 2<<20 {
		return 1
	}
	return 2
}()

// Executor runs one network. It is safe for concurrent use; runs take turns.
type Executor struct {
	plan    *plan
	threads int
	team    *team
	turn    chan struct{} // holds a token while nobody runs
	closed  chan struct{}
	once    sync.Once

	// What follows belongs to the run that has the turn.
	tasks   []*task // of the current region, those that are wanted
	images  []image // those under way
	space   []float32
	scratch [][]float32
}

// Compile prepares net. The weights of convolutions are copied as they are
// packed; others are kept. The kernels are one of kernel.Sets, the best one this
// processor can run if none is named.
func Compile(net *ir.Net, cfg device.Config) (*Executor, error) {
	set, err := kernel.Select(cfg.Kernel)
	if err != nil {
		return nil, err
	}
	if cfg.Threads < 0 {
		return nil, fmt.Errorf("engine: got %d threads, want at least 1, or 0 for all", cfg.Threads)
	}
	e := &Executor{threads: cfg.Threads, turn: make(chan struct{}, 1), closed: make(chan struct{})}
	if e.threads == 0 {
		e.threads = runtime.GOMAXPROCS(0)
	}
	p, err := newPlan(net, set, e.threads, cfg)
	if err != nil {
		return nil, err
	}
	e.plan = p
	var slab kernel.Slab
	slab.Reserve(e.threads * kernel.Lines(p.scratch))
	for range e.threads {
		e.scratch = append(e.scratch, slab.Alloc(p.scratch))
	}
	e.team = newTeam(e.threads, e)
	e.turn <- struct{}{}
	return e, nil
}

// Kernel returns the name of the kernels in use.
func (e *Executor) Kernel() string { return e.plan.set.String() }

// Threads returns the number of goroutines that compute.
func (e *Executor) Threads() int { return e.threads }

// Close ends the team. Runs under way finish first; later ones fail.
func (e *Executor) Close() error {
	e.once.Do(func() {
		close(e.closed)
		<-e.turn
		e.team.close()
		e.space, e.images = nil, nil
	})
	return nil
}

var errClosed = errors.New("engine: the program is closed")

// Run computes n images: in holds n inputs, out[i] has room for n times output i, or is nil where
// that is not wanted. It waits for its turn and returns ctx's error soon after ctx ends.
func (e *Executor) Run(ctx context.Context, n int, in []float32, out [][]float32) error {
	if n < 1 {
		return fmt.Errorf("engine: got %d images, want at least 1", n)
	}
	if err := e.acquire(ctx); err != nil {
		return err
	}
	defer func() { e.turn <- struct{}{} }()
	size := len(in) / n
	e.team.begin()
	defer e.team.end()
	for first, most := 0, inFlight(e.threads); first < n; first += most {
		e.load(first, min(most, n-first), size, in, out)
		if err := e.runRegions(ctx); err != nil {
			return err
		}
	}
	e.unload()
	return nil
}

// acquire waits for the turn.
func (e *Executor) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-e.closed:
		return errClosed
	default:
	}
	select {
	case <-e.turn:
		return nil
	case <-e.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load puts images first to first+n under way.
func (e *Executor) load(first, n, size int, in []float32, out [][]float32) {
	if room := (n-1)*e.plan.kept + e.plan.arena; len(e.space) < room {
		e.space = nil // before there are two
		e.space = new(kernel.Slab).Alloc(room)
	}
	e.images = e.images[:0]
	for i := range n {
		e.images = append(e.images, image{
			arena: e.space[i*e.plan.kept:][:e.plan.arena],
			in:    in[(first+i)*size:][:size],
			out:   out, index: first + i,
		})
	}
}

// unload lets go of the caller's slices.
func (e *Executor) unload() { clear(e.images) }

// runRegions takes the images under way through the network: through the first regions one by one,
// each using the memory of those that come after it.
func (e *Executor) runRegions(ctx context.Context) error {
	all, alone := e.images, e.plan.alone
	defer func() { e.images = all }()
	if alone > 0 {
		for i := range all {
			e.images = all[i : i+1]
			if err := e.runEach(ctx, e.plan.regions[:alone]); err != nil {
				return err
			}
		}
	}
	e.images = all
	return e.runEach(ctx, e.plan.regions[alone:])
}

func (e *Executor) runEach(ctx context.Context, regions []region) error {
	for _, r := range regions {
		if err := ctx.Err(); err != nil {
			return err
		}
		e.runRegion(r)
	}
	return nil
}

// runRegion takes them through one region, but for the tasks of outputs that are not wanted.
func (e *Executor) runRegion(r region) {
	e.tasks = e.tasks[:0]
	for i := range r {
		if t := &r[i]; t.only == 0 || e.images[0].out[t.only-1] != nil {
			e.tasks = append(e.tasks, t)
		}
	}
	if len(e.tasks) > 0 {
		e.team.run()
	}
}

// span divides the units of the current region, task by task and in a task
// image by image, into ranges of about equal cost.
func (e *Executor) span(m int) (from, to int) { return e.boundary(m), e.boundary(m + 1) }

// boundary returns the first unit of member m.
func (e *Executor) boundary(m int) int {
	if m == 0 {
		return 0
	}
	total := 0.0
	for _, t := range e.tasks {
		total += t.cost * float64(t.parts)
	}
	want := total * float64(m) / float64(e.threads)
	unit := 0
	for _, t := range e.tasks {
		cost := t.cost * float64(t.parts)
		if m < e.threads && want < cost {
			return unit + int(want/cost*float64(t.parts*len(e.images)))
		}
		want -= cost
		unit += t.parts * len(e.images)
	}
	return unit
}

// unit does one unit of the current region.
func (e *Executor) unit(i, m int) {
	for _, t := range e.tasks {
		n := t.parts * len(e.images)
		if i < n {
			if t.sharesWeights {
				t.run(e.images[i%len(e.images)], i/len(e.images), e.scratch[m])
			} else {
				t.run(e.images[i/t.parts], i%t.parts, e.scratch[m])
			}
			return
		}
		i -= n
	}
}
