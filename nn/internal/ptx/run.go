package ptx

import (
	"fmt"
	"math/bits"
)

// Fault is what a kernel did wrong.
type Fault struct {
	Kernel       string
	Block        [3]int
	Warp, Lane   int
	Line         int
	Text, Reason string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("ptx: %s: block %v, warp %d, lane %d: line %d: %s: %s", f.Kernel, f.Block, f.Warp, f.Lane, f.Line,
		f.Text, f.Reason)
}

// Launch is a grid of blocks.
type Launch struct {
	Grid, Block [3]int
	Params      []byte
}

// mostSteps is how many instructions a warp may take: no kernel of a test needs as many.
const mostSteps = 1 << 24

// Run runs a launch to its end. Its error is a *Fault if the kernel did something wrong.
func (k *Kernel) Run(m *Memory, l Launch) (err error) {
	threads := l.Block[0]
	switch {
	case len(l.Params) != k.Params:
		return fmt.Errorf("ptx: %s: got %d bytes of parameters, want %d", k.Name, len(l.Params), k.Params)
	case threads < 1 || l.Block[1] != 1 || l.Block[2] != 1 || k.Threads > 0 && threads > k.Threads:
		return fmt.Errorf("ptx: %s: got blocks of %v threads, want one dimension of 1 to %d", k.Name, l.Block, k.Threads)
	case l.Grid[0] < 1 || l.Grid[1] < 1 || l.Grid[2] != 1 || l.Grid[1] > 65535:
		return fmt.Errorf("ptx: %s: got a grid of %v blocks, want two dimensions of at least 1", k.Name, l.Grid)
	}
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(*Fault)
			if !ok {
				panic(r)
			}
			err = fault
		}
	}()
	m.turn++
	b := newBlock(k, m, l)
	for y := range l.Grid[1] {
		for x := range l.Grid[0] {
			b.run([3]int{x, y, 0})
		}
	}
	return nil
}

// block runs the blocks of a launch, one after the other.
type block struct {
	kernel   *Kernel
	memory   *Memory
	params   []byte
	at, grid [3]int
	threads  int
	turn     uint32 // the launch's number
	first    uint32 // the block's first thread among those of the grid
	shared   []byte
	words    []word
	interval int32 // counts barriers
	warps    []*warp
}

func newBlock(k *Kernel, m *Memory, l Launch) *block {
	b := &block{kernel: k, memory: m, params: l.Params, grid: l.Grid, threads: l.Block[0], turn: m.turn,
		shared: make([]byte, k.shared), words: make([]word, (k.shared+3)/4)}
	for i := 0; i < b.threads; i += 32 {
		w := &warp{b: b, id: i / 32, r: make([]u32s, k.regs[words]), q: make([]u64s, k.regs[longs]),
			p: make([]uint32, k.regs[preds])}
		for i := range w.r {
			w.r[i] = spread(uint32(0xfffa5a5a)) // registers begin with anything
		}
		for i := range w.q {
			w.q[i] = spread(uint64(0xfffa5a5afffa5a5a))
		}
		for _, c := range k.consts[words] {
			w.r[c.reg] = spread(uint32(c.value))
		}
		for _, c := range k.consts[longs] {
			w.q[c.reg] = spread(c.value)
		}
		b.warps = append(b.warps, w)
	}
	return b
}

func spread[T uint32 | uint64](v T) (r [32]T) {
	for i := range r {
		r[i] = v
	}
	return r
}

// run runs one block.
func (b *block) run(at [3]int) {
	b.at, b.first = at, uint32(at[1]*b.grid[0]+at[0])*uint32(b.threads)
	for i := range b.shared {
		b.shared[i] = 0xff
	}
	for i := range b.words {
		b.words[i] = word{written: -1, read: -1}
	}
	b.interval = 0
	for i, w := range b.warps {
		w.begin(min(32, b.threads-i*32))
	}
	for waiting := true; waiting; {
		waiting = false
		for i := range b.warps {
			w := b.warps[i]
			if b.interval%2 == 1 { // no order between barriers is to be relied upon
				w = b.warps[len(b.warps)-1-i]
			}
			w.run()
			waiting = waiting || w.live != 0
		}
		b.interval++
	}
}

type (
	u32s = [32]uint32
	u64s = [32]uint64
)

const full = 1<<32 - 1

// warp is 32 threads.
type warp struct {
	b       *block
	id      int
	r       []u32s
	q       []u64s
	p       []uint32 // a bit a lane
	live    uint32   // lanes that have not ended
	groups  []group  // where they are
	area    *area    // the allocation met last
	open    []flight // cp.async since the last commit
	bunches []bunch  // committed, oldest first
	in      *inst    // the instruction under way
	steps   int
}

// group is lanes at one place in the code.
type group struct {
	at   int
	mask uint32
}

// copies are what one cp.async read.
type copies struct {
	to   u64s
	data [32][16]byte
}

// flight is the lanes of one cp.async that are under way.
type flight struct {
	mask uint32
	*copies
}

// bunch is what some lanes committed together.
type bunch struct {
	mask    uint32
	flights []flight
}

func (w *warp) begin(lanes int) {
	w.live = uint32(1<<lanes - 1)
	w.groups = append(w.groups[:0], group{0, w.live})
	w.open, w.bunches, w.steps, w.area = nil, nil, 0, nil
}

// fail ends the launch.
func (w *warp) fail(lane int, format string, args ...any) {
	panic(&Fault{w.b.kernel.Name, w.b.at, w.id, lane, w.in.line, w.in.text, fmt.Sprintf(format, args...)})
}

// run goes on to the next barrier, or to the end.
func (w *warp) run() {
	for w.live != 0 {
		g, other := w.next()
		if w.straight(g, other) {
			return
		}
	}
}

// next takes the lanes that are furthest behind out of groups, and returns where the next ones are.
func (w *warp) next() (g group, other int) {
	const end = 1 << 30
	g.at, other = end, end
	for _, o := range w.groups {
		g.at = min(g.at, o.at)
	}
	rest := w.groups[:0]
	for _, o := range w.groups {
		if o.at == g.at {
			g.mask |= o.mask
		} else {
			other = min(other, o.at)
			rest = append(rest, o)
		}
	}
	w.groups = rest
	return g, other
}

// straight runs the lanes of g until they meet others, part, end or wait, and says whether they wait.
func (w *warp) straight(g group, other int) (waits bool) {
	code := w.b.kernel.code
	pc, mask := g.at, g.mask
	for pc != other {
		if pc >= len(code) {
			w.fail(0, "the kernel goes on behind its end")
		}
		in := &code[pc]
		w.in = in
		if w.steps++; w.steps > mostSteps {
			w.fail(0, "the kernel does not end")
		}
		act := mask
		if in.pred >= 0 {
			act = w.p[in.pred]
			if in.not {
				act = ^act
			}
			act &= mask
		}
		switch in.do {
		case step:
			if act != 0 {
				in.run(w, act)
			}
		case branch:
			if act == mask && (in.to <= other) {
				pc = in.to
				continue
			}
			if act != 0 {
				w.groups = append(w.groups, group{in.to, act})
				if act != mask {
					w.groups = append(w.groups, group{pc + 1, mask &^ act})
				}
				return false
			}
		case exit:
			w.live &^= act
			if act == mask {
				return false
			}
			mask &^= act
		case barrier:
			if act != w.live {
				w.fail(bits.TrailingZeros32(w.live&^act), "not all of the warp's threads reach the barrier together")
			}
			w.groups = append(w.groups, group{pc + 1, mask})
			return true
		}
		pc++
	}
	w.groups = append(w.groups, group{pc, mask})
	return false
}

// together fails unless all of a whole warp's lanes are here.
func (w *warp) together(mask uint32) {
	if mask != full {
		w.fail(bits.TrailingZeros32(^mask), "not all of the warp's threads are here together")
	}
}
