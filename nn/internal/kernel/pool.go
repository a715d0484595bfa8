package kernel

import "fmt"

// PoolSpec is a pooling to prepare. Windows are clipped to the plane: a maximum
// never takes the border, and a mean divides by the pixels inside unless
// CountBorder says that the border counts as zeros.
type PoolSpec struct {
	In, Out          Tensor
	KH, KW           int
	StrideH, StrideW int
	PadTop, PadLeft  int
	Max              bool
	CountBorder      bool
	// Pairs says that In and Out are of bfloat16: C counts words, and Bias has a value for each lane.
	// Sets that do not have [Set.Pairs] refuse it.
	Pairs bool
	// Bias and ReLU are applied to a mean, for a convolution that was moved
	// in front of the pool; Bias is [Out.C] or nil.
	Bias []float32
	ReLU bool
}

// pool is a pooling made ready. It is immutable.
type pool struct {
	spec   PoolSpec
	level  level
	block  int // lanes of a channel block
	blocks int
	groups []poolGroup
	bias   []float32
	floor  float32
	split  int // channel blocks a part
}

// poolGroup is the pixels whose windows are clipped alike.
type poolGroup struct {
	taps     []int // bytes from a pixel's first tap
	src, dst []int32
	scale    float32
}

// NewPool prepares a pooling. It is a Conv in that it is split and run alike.
func NewPool(set Set, s PoolSpec) (Conv, error) {
	if s.KH < 1 || s.KW < 1 || s.StrideH < 1 || s.StrideW < 1 || s.PadTop < 0 || s.PadLeft < 0 {
		return nil, fmt.Errorf("kernel: pool %dx%d stride %dx%d padding %d,%d: sizes must be positive",
			s.KH, s.KW, s.StrideH, s.StrideW, s.PadTop, s.PadLeft)
	}
	if s.Out.C > s.In.C {
		return nil, fmt.Errorf("kernel: pool: the output has %d channels, want %d as the input", s.Out.C, s.In.C)
	}
	p := &pool{spec: s, level: set.level, block: Block, blocks: Blocks(s.Out.C), floor: negInf}
	if s.Pairs {
		if !set.Pairs() {
			return nil, errNoPairs
		}
		p.block = PairBlock
	}
	if s.ReLU {
		p.floor = 0
	}
	p.bias = make([]float32, p.blocks*p.block)
	copy(p.bias, s.Bias)
	type clip struct{ top, bottom, left, right int }
	index := map[clip]int{}
	for y := range s.Out.H {
		for x := range s.Out.W {
			y0, x0 := y*s.StrideH-s.PadTop, x*s.StrideW-s.PadLeft
			c := clip{max(0, -y0), min(s.KH, s.In.H-y0), max(0, -x0), min(s.KW, s.In.W-x0)}
			if c.top >= c.bottom || c.left >= c.right {
				return nil, fmt.Errorf("kernel: pool: the window of pixel %d,%d lies outside the image", y, x)
			}
			i, ok := index[c]
			if !ok {
				i = len(p.groups)
				index[c] = i
				p.groups = append(p.groups, poolGroup{scale: p.scale(c.bottom-c.top, c.right-c.left)})
				for dy := c.top; dy < c.bottom; dy++ {
					for dx := c.left; dx < c.right; dx++ {
						p.groups[i].taps = append(p.groups[i].taps, 4*((dy-c.top)*s.In.Row+(dx-c.left)*Block))
					}
				}
			}
			g := &p.groups[i]
			g.src = append(g.src, int32(4*((y0+c.top)*s.In.Row+(x0+c.left)*Block)))
			g.dst = append(g.dst, int32(4*(y*s.Out.Row+x*Block)))
		}
	}
	// About eight thousand vectors a part.
	p.split = max(1, 8192/(s.Out.H*s.Out.W*s.KH*s.KW))
	return p, nil
}

func (p *pool) scale(h, w int) float32 {
	if p.spec.CountBorder {
		h, w = p.spec.KH, p.spec.KW
	}
	return 1 / float32(h*w)
}

func (p *pool) Algorithm() string {
	name := "average pool"
	if p.spec.Max {
		name = "max pool"
	}
	if p.spec.Pairs {
		name = "bfloat16 " + name
	}
	return name
}
func (p *pool) Parts() int   { return (p.blocks + p.split - 1) / p.split }
func (p *pool) Scratch() int { return 0 }

func (p *pool) Run(part int, out, in, _ []float32) {
	for b := part * p.split; b < min((part+1)*p.split, p.blocks); b++ {
		for i := range p.groups {
			if p.level == levelRef {
				p.runGo(b, &p.groups[i], out, in)
			} else {
				p.runAsm(b, &p.groups[i], out, in)
			}
		}
	}
}
