package jpeg

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// layout is what a made-up picture has.
type layout struct {
	width, height int
	sampling      []uint8 // of each component: across in the high four bits, down in the low ones
	marker        byte    // SOF0 or SOF1
	restart       int     // MCUs between restart markers
	wide          bool    // quantization tables of 16 bits
	long          bool    // codes of up to 16 bits, most of them long
	rich          int     // a block has its k-th coefficient with the chance rich/100
}

// symbols are a Huffman code and what it is written with.
type symbols struct {
	counts [16]byte
	values []byte
	code   map[byte]uint32
	length map[byte]int
}

// newSymbols makes a code of the values in a random order, of which short lengths
// get few where long is set. The code of ones only stays free, as T.81 wants it.
func newSymbols(rng *rand.Rand, values []byte, long bool) *symbols {
	s := &symbols{values: slices.Clone(values), code: map[byte]uint32{}, length: map[byte]int{}}
	rng.Shuffle(len(values), func(i, j int) { s.values[i], s.values[j] = s.values[j], s.values[i] })
	code, rest := 0, s.values
	for n := 1; n <= 16; n++ {
		code <<= 1
		count := min(len(rest), 1<<n-1-code)
		for (1<<n-code-count)<<(16-n)-1 < len(rest)-count {
			count-- // the others would not fit behind
		}
		if n < 16 {
			count = rng.IntN(count + 1)
		}
		if long && n < 11 {
			count = min(count, 1)
		}
		for _, v := range rest[:count] {
			s.code[v], s.length[v] = uint32(code), n
			code++
		}
		s.counts[n-1], rest = byte(count), rest[count:]
	}
	return s
}

// writer writes entropy-coded data.
type writer struct {
	out  []byte
	acc  uint32
	have int
}

func (w *writer) bits(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		w.acc = w.acc<<1 | v>>i&1
		if w.have++; w.have == 8 {
			w.out = append(w.out, byte(w.acc))
			if byte(w.acc) == 0xff {
				w.out = append(w.out, 0)
			}
			w.acc, w.have = 0, 0
		}
	}
}

// pad fills the last byte with ones.
func (w *writer) pad() {
	for w.have > 0 {
		w.bits(1, 1)
	}
}

func (w *writer) symbol(s *symbols, v byte) { w.bits(s.code[v], s.length[v]) }

// value writes v's size bits.
func (w *writer) value(v int32, size int) {
	if v < 0 {
		v += 1<<size - 1
	}
	w.bits(uint32(v), size)
}

// ofSize returns a random value that has size bits.
func ofSize(rng *rand.Rand, size int) int32 {
	if size == 0 {
		return 0
	}
	v := int32(1<<(size-1) + rng.IntN(1<<(size-1)))
	if rng.IntN(2) == 0 {
		v = -v
	}
	return v
}

// encode makes a whole file of random coefficients.
func (l layout) encode(rng *rand.Rand) []byte {
	segment := func(out []byte, marker byte, payload ...byte) []byte {
		out = append(out, 0xff, marker)
		out = binary.BigEndian.AppendUint16(out, uint16(len(payload)+2))
		return append(out, payload...)
	}
	out := segment([]byte{0xff, markSOI}, markAPP0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")...)
	out = segment(out, markCOM, []byte("made up")...)
	for id := range byte(2) {
		table := []byte{id}
		if l.wide {
			table[0] |= 1 << 4
		}
		for range 64 {
			if l.wide {
				table = binary.BigEndian.AppendUint16(table, uint16(1+rng.IntN(1<<[3]int{3, 9, 16}[rng.IntN(3)]-1)))
			} else {
				table = append(table, byte(1+rng.IntN(24)))
			}
		}
		out = segment(out, markDQT, table...)
	}
	frame := binary.BigEndian.AppendUint16([]byte{8}, uint16(l.height))
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(l.width)), byte(len(l.sampling)))
	for i, s := range l.sampling {
		frame = append(frame, byte(i+1), s, byte(min(i, 1)))
	}
	out = segment(out, l.marker, frame...)

	var dcSizes, acValues []byte
	for size := range byte(12) {
		dcSizes = append(dcSizes, size)
	}
	for run := range byte(16) {
		for size := byte(1); size <= 10; size++ {
			acValues = append(acValues, run<<4|size)
		}
	}
	acValues = append(acValues, 0x00, 0xf0)
	var dc, ac [2]*symbols
	for id := range dc {
		dc[id], ac[id] = newSymbols(rng, dcSizes, l.long), newSymbols(rng, acValues, l.long)
		out = segment(out, markDHT, slices.Concat([]byte{byte(id)}, dc[id].counts[:], dc[id].values)...)
		out = segment(out, markDHT, slices.Concat([]byte{byte(1<<4 | id)}, ac[id].counts[:], ac[id].values)...)
	}
	if l.restart > 0 {
		out = segment(out, markDRI, byte(l.restart>>8), byte(l.restart))
	}
	scan := []byte{byte(len(l.sampling))}
	for i := range l.sampling {
		scan = append(scan, byte(i+1), byte(min(i, 1)*0x11))
	}
	out = segment(out, markSOS, append(scan, 0, 63, 0)...)

	w := &writer{out: out}
	h, v := int(l.sampling[0]>>4), int(l.sampling[0]&15)
	if len(l.sampling) == 1 {
		h, v = 1, 1
	}
	mcus := (l.width + 8*h - 1) / (8 * h) * ((l.height + 8*v - 1) / (8 * v))
	for m := range mcus {
		if l.restart > 0 && m > 0 && m%l.restart == 0 {
			w.pad()
			w.out = append(w.out, 0xff, markRST0|byte(m/l.restart-1)&7)
		}
		for i, s := range l.sampling {
			blocks := int(s>>4) * int(s&15)
			if len(l.sampling) == 1 {
				blocks = 1
			}
			for range blocks {
				l.block(rng, w, dc[min(i, 1)], ac[min(i, 1)])
			}
		}
	}
	w.pad()
	return append(w.out, 0xff, markEOI)
}

// block writes the coefficients of one block.
func (l layout) block(rng *rand.Rand, w *writer, dc, ac *symbols) {
	size := rng.IntN(12)
	w.symbol(dc, byte(size))
	w.value(ofSize(rng, size), size)
	run := 0
	for range 63 {
		if rng.IntN(100) >= l.rich {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			w.symbol(ac, 0xf0)
		}
		size := 1 + rng.IntN(10)
		w.symbol(ac, byte(run<<4|size))
		w.value(ofSize(rng, size), size)
		run = 0
	}
	if run > 0 {
		w.symbol(ac, 0)
	}
}
