package gemm

// panels says how pack lays out a block: in panels of width lines, all of one
// step side by side, steps steps long. There are lines lines of k steps; the
// rest is zeros.
type panels struct{ width, lines, k, steps int }

// pack copies lines of m, its rows. Rows or columns of m lie side by side.
func pack(dst []float32, m matrix, p panels) {
	for i := 0; i < p.lines; i += p.width {
		panel := dst[i*p.steps:][:p.width*p.steps]
		lines := min(p.width, p.lines-i)
		if lines < p.width || p.k < p.steps {
			clear(panel)
		}
		from := m.data[i*m.row:]
		switch {
		case m.row != 1:
			interleave(panel, from, m.row, panels{p.width, lines, p.k, p.steps})
		case lines == 16:
			for s := range p.k {
				*(*[16]float32)(panel[s*p.width:]) = *(*[16]float32)(from[s*m.col:])
			}
		case lines == 32:
			for s := range p.k {
				*(*[32]float32)(panel[s*p.width:]) = *(*[32]float32)(from[s*m.col:])
			}
		default:
			for s := range p.k {
				copy(panel[s*p.width:], from[s*m.col:][:lines])
			}
		}
	}
}

// interleave packs one panel from lines that are contiguous, distance values
// apart: four at a time, to go through the panel less often.
func interleave(panel, from []float32, distance int, p panels) {
	l := 0
	for ; l+4 <= p.lines; l += 4 {
		a, b := from[l*distance:][:p.k], from[(l+1)*distance:][:p.k]
		c, d := from[(l+2)*distance:][:p.k], from[(l+3)*distance:][:p.k]
		at := l
		for s, v := range a {
			to := panel[at : at+4 : at+4]
			to[0], to[1], to[2], to[3] = v, b[s], c[s], d[s]
			at += p.width
		}
	}
	for ; l < p.lines; l++ {
		for s, v := range from[l*distance:][:p.k] {
			panel[s*p.width+l] = v
		}
	}
}
