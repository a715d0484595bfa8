package ptx

import (
	"math/bits"
	"slices"
	"strings"
)

// address is where a lane's memory operand points.
func address(o operand) func(w *warp, lane int) uint64 {
	switch {
	case o.reg < 0:
		return func(*warp, int) uint64 { return o.value }
	case o.class == longs:
		return func(w *warp, l int) uint64 { return w.q[o.reg][l] + o.value }
	}
	return func(w *warp, l int) uint64 { return uint64(w.r[o.reg][l] + uint32(o.value)) }
}

// access decodes ld and st.
func (d *decoder) access(parts []string, kind string) runner {
	n := widths[kind]
	if n == 0 || len(d.args) != 2 {
		return nil
	}
	c, space := words, parts[1]
	if o := d.args[0]; n == 8 || o.kind == register && o.class == longs {
		c = longs // a register may be wider than what is loaded
	}
	loads := parts[0] == "ld"
	at, values := d.args[1], d.args[0]
	if !loads {
		at, values = values, at
	}
	if at.kind != memory {
		return nil
	}
	regs, where := d.list(values, c), address(at)
	var bytes func(w *warp, lane int, at uint64, n int) []byte
	switch {
	case loads && space == "param":
		bytes = func(w *warp, _ int, at uint64, n int) []byte { return w.b.params[at:][:n] }
	case loads && space == "global":
		bytes = (*warp).loadGlobal
	case loads && space == "shared":
		bytes = (*warp).readShared
	case space == "global":
		bytes = (*warp).storeGlobal
	case space == "shared":
		bytes = func(w *warp, lane int, at uint64, n int) []byte { return w.writeShared(lane, at, n, 0) }
	default:
		return nil
	}
	signed := kind[0] == 's' // and then fills a wider register
	return func(w *warp, mask uint32) {
		for m := mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			b := bytes(w, l, where(w, l), n*len(regs))
			for i, r := range regs {
				switch {
				case loads:
					v := read(b[i*n:], n)
					if signed {
						v = uint64(int64(v<<(64-n*8)) >> (64 - n*8))
					}
					if c == words {
						w.r[r][l] = uint32(v)
					} else {
						w.q[r][l] = v
					}
				case c == words:
					write(b[i*n:], n, uint64(w.r[r][l]))
				default:
					write(b[i*n:], n, w.q[r][l])
				}
			}
		}
	}
}

// async decodes cp.async.
func (d *decoder) async(op string) runner {
	switch {
	case op == "cp.async.commit_group":
		return (*warp).commit
	case op == "cp.async.wait_group" && len(d.args) == 1:
		n := int(d.args[0].value)
		return func(w *warp, mask uint32) { w.wait(mask, n) }
	case op == "cp.async.cg.shared.global" && len(d.args) == 4 && d.args[2].value == 16:
		to, from, take := address(d.args[0]), address(d.args[1]), d.reg(d.args[3], words)
		return func(w *warp, mask uint32) {
			c := flight{mask, new(copies)}
			for m := mask; m != 0; m &= m - 1 {
				l := bits.TrailingZeros32(m) & 31
				c.to[l] = to(w, l)
				if n := w.r[take][l]; n > 16 {
					w.fail(l, "copies %d of 16 bytes", n)
				} else if n > 0 {
					copy(c.data[l][:n], w.loadGlobal(l, from(w, l), 16))
				}
				b := w.writeShared(l, c.to[l], 16, 1)
				for i := range b {
					b[i] = 0xff
				}
			}
			w.open = append(w.open, c)
		}
	}
	return nil
}

// commit makes a bunch of what the lanes of mask have copied: each thread has groups of its own.
func (w *warp) commit(mask uint32) {
	b := bunch{mask: mask}
	rest := w.open[:0]
	for _, f := range w.open {
		if mine := f.mask & mask; mine != 0 {
			b.flights = append(b.flights, flight{mine, f.copies})
		}
		if f.mask &^= mask; f.mask != 0 {
			rest = append(rest, f)
		}
	}
	w.open, w.bunches = rest, append(w.bunches, b)
}

// wait lets all bunches of the lanes of mask land but the last n of each.
func (w *warp) wait(mask uint32, n int) {
	var seen [32]int
	for i := len(w.bunches) - 1; i >= 0; i-- {
		b := &w.bunches[i]
		var due uint32
		for m := b.mask & mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			if seen[l]++; seen[l] > n {
				due |= 1 << l
			}
		}
		b.mask &^= due
		for _, f := range b.flights {
			w.land(flight{f.mask & due, f.copies})
		}
	}
	w.bunches = slices.DeleteFunc(w.bunches, func(b bunch) bool { return b.mask == 0 })
}

// land writes what was copied to where it goes.
func (w *warp) land(f flight) {
	for m := f.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		copy(w.writeShared(l, f.to[l], 16, -1), f.data[l][:])
	}
}

// ldmatrix decodes the form that loads up to four matrices of 8 rows of 16 bytes.
func (d *decoder) ldmatrix(op string) runner {
	count := map[string]int{"x1": 1, "x2": 2, "x4": 4}[strings.Split(op, ".")[4]]
	if count == 0 || !strings.HasSuffix(op, ".m8n8.x"+string(rune('0'+count))+".shared.b16") || len(d.args) != 2 {
		return nil
	}
	regs, where := d.list(d.args[0], words), address(d.args[1])
	if len(regs) != count {
		return nil
	}
	return func(w *warp, mask uint32) {
		w.together(mask)
		var t [4]u32s
		for i := range count {
			for row := range 8 {
				from := i*8 + row
				b := w.readShared(from, where(w, from), 16)
				for j := range 4 {
					t[i][row*4+j] = uint32(read(b[j*4:], 4))
				}
			}
		}
		for i, r := range regs {
			w.r[r] = t[i]
		}
	}
}

// shuffle decodes the exchange between lanes that differ in some bits.
func (d *decoder) shuffle(op string) runner {
	if op != "shfl.sync.bfly.b32" || len(d.args) != 5 || d.args[4].value != full && int64(d.args[4].value) != -1 {
		return nil
	}
	to, a, b := d.three(words, words, words)
	return func(w *warp, mask uint32) {
		w.together(mask)
		var t u32s
		for l := range t {
			t[l] = w.r[a][(uint32(l)^w.r[b][l])&31]
		}
		w.r[to] = t
	}
}

// mma decodes products of matrices of 16 rows and 8 columns: fragments lie as the PTX manual says.
func (d *decoder) mma(op string) runner {
	if len(d.args) != 4 {
		return nil
	}
	var regs [4][]int
	for i, o := range d.args {
		regs[i] = d.list(o, words)
	}
	if !slices.Equal([]int{len(regs[0]), len(regs[1]), len(regs[2]), len(regs[3])}, []int{4, 4, 2, 4}) {
		return nil
	}
	var widen func(v uint32) float64
	switch op {
	case "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32":
		return func(w *warp, mask uint32) { w.mmaWords(mask, regs) }
	case "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32":
		widen = func(v uint32) float64 { return float64(halves[uint16(v)]) }
	case "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32":
		widen = func(v uint32) float64 { return float64(f32(v << 16)) }
	default:
		return nil
	}
	return func(w *warp, mask uint32) { w.mmaHalves(mask, regs, widen) }
}

// mmaHalves is m16n8k16: a register holds two numbers, of neighbouring k.
func (w *warp) mmaHalves(mask uint32, regs [4][]int, widen func(v uint32) float64) {
	w.together(mask)
	var a [16][16]float64
	var b [16][8]float64
	for l := range 32 {
		g, q := l/4, l%4*2
		for i, r := range regs[1] {
			v := w.r[r][l]
			row, k := g+i%2*8, q+i/2*8
			a[row][k], a[row][k+1] = widen(v), widen(v>>16)
		}
		for i, r := range regs[2] {
			v := w.r[r][l]
			b[q+i*8][g], b[q+i*8+1][g] = widen(v), widen(v>>16)
		}
	}
	for row := range a {
		w.mmaRow(row, a[row][:], b[:], regs)
	}
}

// mmaWords is m16n8k8 of tf32: the lower 13 bits do not count.
func (w *warp) mmaWords(mask uint32, regs [4][]int) {
	w.together(mask)
	tf32 := func(v uint32) float64 { return float64(f32(v &^ 0x1fff)) }
	var a [16][8]float64
	var b [8][8]float64
	for l := range 32 {
		g, q := l/4, l%4
		for i, r := range regs[1] {
			a[g+i%2*8][q+i/2*4] = tf32(w.r[r][l])
		}
		for i, r := range regs[2] {
			b[q+i*4][g] = tf32(w.r[r][l])
		}
	}
	for row := range a {
		w.mmaRow(row, a[row][:], b[:], regs)
	}
}

// mmaRow adds a row of a times b to the row of c, and rounds once.
func (w *warp) mmaRow(row int, a []float64, b [][8]float64, regs [4][]int) {
	var s [8]float64
	for k, v := range a {
		y := &b[k]
		for j := range s {
			s[j] += v * y[j]
		}
	}
	for j, v := range s {
		l, i := row%8*4+j/2, row/8*2+j%2
		w.r[regs[0][i]][l] = bits32(float32(v + float64(f32(w.r[regs[3][i]][l]))))
	}
}
