package kernel

// bytePool is a pooling of bytes made ready. It is immutable.
type bytePool struct {
	in, out Tensor
	level   level
	max     bool
	blocks  int
	groups  []poolGroup
	again   []poolGroup // of a maximum with a rescale: every pixel by itself, in place
	split   int         // channel blocks a part
}

// NewBytePool prepares a pooling of bytes: the maximum, or the mean, times
// rescale, rounded half to even and held to 255. A maximum with a rescale of 1
// is exact. Bias and ReLU of s are not used.
func NewBytePool(set Set, s PoolSpec, rescale float32) (Conv, error) {
	made, err := NewPool(set, s)
	if err != nil {
		return nil, err
	}
	p := made.(*pool)
	b := &bytePool{
		in: s.In, out: s.Out, level: p.level, max: s.Max,
		blocks: p.blocks, groups: p.groups, split: p.split,
	}
	for i := range b.groups {
		g := &b.groups[i]
		g.scale *= rescale
		if s.Max && rescale != 1 {
			b.again = append(b.again, poolGroup{taps: []int{0}, src: g.dst, dst: g.dst, scale: rescale})
		}
	}
	return b, nil
}

func (p *bytePool) Algorithm() string {
	if p.max {
		return "int8 max pool"
	}
	return "int8 average pool"
}
func (p *bytePool) Parts() int   { return (p.blocks + p.split - 1) / p.split }
func (p *bytePool) Scratch() int { return 0 }

func (p *bytePool) Run(part int, out, in, _ []float32) {
	pool := poolBytesAsm
	if p.level == levelRef {
		pool = poolBytesGo
	}
	for b := part * p.split; b < min((part+1)*p.split, p.blocks); b++ {
		from, to := in[p.in.Off+b*p.in.Plane:], out[p.out.Off+b*p.out.Plane:]
		for i := range p.groups {
			pool(&p.groups[i], p.max, to, from)
		}
		for i := range p.again {
			pool(&p.again[i], false, to, to)
		}
	}
}

// poolBytesGo pools a channel block of the pixels of g in plain Go.
func poolBytesGo(g *poolGroup, largest bool, out, in []float32) {
	from, to := octets(in), octets(out)
	for i, s := range g.src {
		var acc [ByteBlock]int32
		for _, t := range g.taps {
			for c, v := range from[int(s)+t:][:ByteBlock] {
				if x := int32(v); !largest {
					acc[c] += x
				} else if x > acc[c] {
					acc[c] = x
				}
			}
		}
		o := to[g.dst[i]:][:ByteBlock]
		for c, v := range acc {
			if largest {
				o[c] = byte(v)
			} else {
				o[c] = toByte(float32(v) * g.scale)
			}
		}
	}
}
