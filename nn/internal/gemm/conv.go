package gemm

import "github.com/c236555e/rehead/nn/internal/ir"

// Scratch is the number of float32 values that [Conv.Task] needs.
const Scratch = nb * kc

// Conv is a convolution of one image with its weights packed: [C,H,W] ->
// [O,OH,OW], bias added, optionally clamped at zero. It is read-only and may be
// used by many goroutines.
type Conv struct {
	win        ir.Window
	h, w       int // of the image
	ow         int // of the result
	out        int // channels of the result
	depth      int // steps of one sum: C*KH*KW
	pixels     int // of the result
	relu       bool
	weights    []float32 // blocks of kc steps, each in panels of mr channels
	bias       []float32
	offset     []int // of each step, from the first pixel under the window
	rows, cols int   // channels and pixels per task
	across     int   // tasks side by side along the pixels
	tasks      int
}

// NewConv packs step's weights for an image of the given shape [C,H,W] and cuts
// the work for the given number of threads, which has no effect on the results.
func NewConv(step *ir.Step, shape []int, threads int) *Conv {
	win := step.Window
	oh, ow := win.Out(shape[1], shape[2])
	c := &Conv{
		win: win, h: shape[1], w: shape[2], ow: ow,
		out: len(step.B), depth: shape[0] * win.KH * win.KW, pixels: oh * ow,
		relu: step.ReLU, bias: step.B,
	}
	c.weights = make([]float32, 0, up(c.out, mr)*up(c.depth, 2))
	for k := 0; k < c.depth; k += kc {
		size := up(c.out, mr) * steps(k, c.depth)
		at := len(c.weights)
		c.weights = c.weights[:at+size]
		pack(c.weights[at:], matrix{step.W[k:], c.depth, 1}, panels{mr, c.out, min(kc, c.depth-k), steps(k, c.depth)})
	}
	c.offset = make([]int, c.depth)
	for k := range c.offset {
		tap := k % (win.KH * win.KW)
		c.offset[k] = (k/(win.KH*win.KW)*c.h+tap/win.KW)*c.w + tap%win.KW
	}
	c.cut(threads)
	return c
}

// cut chooses the tasks: blocks of nb pixels and, where those are too few to
// share, of channels as well.
func (c *Conv) cut(threads int) {
	const least = 32 // channels per task, so that packing stays a small part
	c.cols = nb
	c.across = (c.pixels + nb - 1) / nb
	c.rows = up(c.out, mr)
	for threads > 1 && c.rows >= 2*least && c.across*((c.out+c.rows-1)/c.rows) < 3*threads {
		c.rows = up(c.rows/2, mr)
	}
	c.tasks = c.across * ((c.out + c.rows - 1) / c.rows)
}

// Tasks returns the number of independent tasks that make up the result.
func (c *Conv) Tasks() int { return c.tasks }

// Task computes one task's part of dst [O,OH,OW] from the image x [C,H,W],
// with Scratch values of memory.
func (c *Conv) Task(task int, dst, x, scratch []float32) {
	o0, p0 := task/c.across*c.rows, task%c.across*c.cols
	rows, cols := min(c.rows, c.out-o0), min(c.cols, c.pixels-p0)
	for o := range rows {
		line, b := dst[(o0+o)*c.pixels+p0:][:cols], c.bias[o0+o]
		for j := range line {
			line[j] = b
		}
	}
	at := 0
	for k := 0; k < c.depth; k += kc {
		n := steps(k, c.depth)
		c.gather(scratch, x, k, p0, cols)
		block(dst[o0*c.pixels+p0:], extent{rows, cols, c.pixels}, n, c.weights[at+o0*n:], scratch)
		at += up(c.out, mr) * n
	}
	if !c.relu {
		return
	}
	for o := range rows {
		line := dst[(o0+o)*c.pixels+p0:][:cols]
		for j, v := range line {
			if v < 0 {
				line[j] = 0
			}
		}
	}
}

// gather packs what the pixels from p0 on see in the steps from k0 on.
func (c *Conv) gather(dst, x []float32, k0, p0, cols int) {
	n := steps(k0, c.depth)
	real := min(n, c.depth-k0)
	offset := c.offset[k0 : k0+real]
	for j := 0; j < cols; j += nr {
		panel := dst[j*n:][:nr*n]
		if real < n {
			clear(panel[nr*real:])
		}
		var base [nr]int
		inside := j+nr <= cols
		for l := range nr {
			y, px := c.origin(p0 + j + l)
			base[l] = y*c.w + px
			inside = inside && y >= 0 && px >= 0 && y+c.win.KH <= c.h && px+c.win.KW <= c.w
		}
		if inside {
			x0, x1, x2 := x[base[0]:], x[base[1]:], x[base[2]:]
			for s, o := range offset {
				p := panel[s*nr:][:nr]
				p[0], p[1], p[2] = x0[o], x1[o], x2[o]
			}
			continue
		}
		for l := range nr {
			if j+l < cols {
				c.gatherEdge(panel[l:], x, k0, p0+j+l)
				continue
			}
			for s := range real {
				panel[s*nr+l] = 0
			}
		}
	}
}

// gatherEdge packs one pixel whose window reaches beyond the image.
func (c *Conv) gatherEdge(dst, x []float32, k0, pixel int) {
	y, px := c.origin(pixel)
	taps := c.win.KH * c.win.KW
	channel, tap := k0/taps, k0%taps
	u, v := tap/c.win.KW, tap%c.win.KW
	plane := x[channel*c.h*c.w:]
	for s := range min(kc, c.depth-k0) {
		value := float32(0)
		if uint(y+u) < uint(c.h) && uint(px+v) < uint(c.w) {
			value = plane[(y+u)*c.w+px+v]
		}
		dst[s*nr] = value
		if v++; v == c.win.KW {
			v = 0
			if u++; u == c.win.KH {
				u = 0
				plane = plane[c.h*c.w:]
			}
		}
	}
}

// origin returns where a pixel's window begins in the image.
func (c *Conv) origin(pixel int) (y, x int) {
	return pixel/c.ow*c.win.StrideH - c.win.Top, pixel%c.ow*c.win.StrideW - c.win.Left
}
