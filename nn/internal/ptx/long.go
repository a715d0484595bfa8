package ptx

// widths decodes what leads from words to longs and back.
func (d *decoder) widths(op string) runner {
	var f func(v uint32) uint64
	switch op {
	case "cvt.u32.u64", "cvt.u32.s64", "cvt.s32.s64":
		to, a := d.two(words, longs)
		return func(w *warp, mask uint32) {
			var t u32s
			for l, v := range &w.q[a] {
				t[l] = uint32(v)
			}
			merge(&w.r[to], &t, mask)
		}
	case "mul.wide.u32", "mul.wide.s32":
		signed := op == "mul.wide.s32"
		to, a, b := d.three(longs, words, words)
		return func(w *warp, mask uint32) {
			var t u64s
			x, y := &w.r[a], &w.r[b]
			for l := range t {
				if signed {
					t[l] = uint64(int64(int32(x[l])) * int64(int32(y[l])))
				} else {
					t[l] = uint64(x[l]) * uint64(y[l])
				}
			}
			merge(&w.q[to], &t, mask)
		}
	case "cvt.u64.u32", "cvt.s64.u32":
		f = func(v uint32) uint64 { return uint64(v) }
	case "cvt.s64.s32", "cvt.u64.s32":
		f = func(v uint32) uint64 { return uint64(int64(int32(v))) }
	default:
		return nil
	}
	to, a := d.two(longs, words)
	return func(w *warp, mask uint32) {
		var t u64s
		for l, v := range &w.r[a] {
			t[l] = f(v)
		}
		merge(&w.q[to], &t, mask)
	}
}

// long decodes arithmetic on longs.
func (d *decoder) long(base, kind string) runner {
	if base == "mov" && len(d.args) == 2 {
		to, a := d.two(longs, longs)
		return func(w *warp, mask uint32) { merge(&w.q[to], &w.q[a], mask) }
	}
	if len(d.args) != 3 {
		return nil
	}
	if base == "shl" || base == "shr" {
		to, a, b := d.three(longs, longs, words)
		return func(w *warp, mask uint32) {
			var t u64s
			x, y := &w.q[a], &w.r[b]
			for l := range t {
				switch {
				case base == "shl":
					t[l] = x[l] << y[l]
				case kind == "s64":
					t[l] = uint64(int64(x[l]) >> y[l])
				default:
					t[l] = x[l] >> y[l]
				}
			}
			merge(&w.q[to], &t, mask)
		}
	}
	f := map[string]func(a, b uint64) uint64{
		"add":    func(a, b uint64) uint64 { return a + b },
		"sub":    func(a, b uint64) uint64 { return a - b },
		"mul.lo": func(a, b uint64) uint64 { return a * b },
		"and":    func(a, b uint64) uint64 { return a & b },
		"or":     func(a, b uint64) uint64 { return a | b },
		"xor":    func(a, b uint64) uint64 { return a ^ b },
	}[base]
	if f == nil {
		return nil
	}
	to, a, b := d.three(longs, longs, longs)
	return func(w *warp, mask uint32) {
		var t u64s
		x, y := &w.q[a], &w.q[b]
		for l := range t {
			t[l] = f(x[l], y[l])
		}
		merge(&w.q[to], &t, mask)
	}
}
