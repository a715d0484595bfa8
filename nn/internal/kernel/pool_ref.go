package kernel

import "math"

var negInf = float32(math.Inf(-1))

// runGo pools channel block b of the pixels of g in plain Go.
func (p *pool) runGo(b int, g *poolGroup, out, in []float32) {
	x, y := p.spec.In.Off+b*p.spec.In.Plane, p.spec.Out.Off+b*p.spec.Out.Plane
	bias := p.bias[b*Block:][:Block]
	for i, s := range g.src {
		var acc [Block]float32
		base := x + int(s)/4
		if p.spec.Max {
			copy(acc[:], in[base+g.taps[0]/4:][:Block])
		}
		for _, t := range g.taps {
			v := in[base+t/4:][:Block]
			if !p.spec.Max {
				for c := range acc {
					acc[c] += v[c]
				}
				continue
			}
			for c := range acc {
				if v[c] > acc[c] || v[c] != v[c] {
					acc[c] = v[c]
				}
			}
		}
		o := out[y+int(g.dst[i])/4:][:Block]
		if p.spec.Max {
			copy(o, acc[:])
			continue
		}
		for c, v := range acc {
			v = v*g.scale + bias[c]
			if v < p.floor {
				v = p.floor
			}
			o[c] = v
		}
	}
}
