package jpeg

import "encoding/binary"

// bits reads entropy-coded data: bits from the left of each byte, where a byte
// 0xff is followed by a zero that does not count (T.81, F.1.2.3). Behind the last
// byte, which is where a marker stands, zeros come; have below zero then tells
// that some were used.
type bits struct {
	data []byte
	at   int    // the next byte to load
	acc  uint64 // what is loaded, from the left; behind the bits that count are zeros, or what will be loaded there
	have int    // how many bits count
}

// fill loads all the whole bytes there is room for, so that there are more than
// 56 bits, unless the data end.
func (b *bits) fill() {
	if b.at+8 <= len(b.data) && b.have >= 0 {
		w := binary.BigEndian.Uint64(b.data[b.at:])
		if (^w-0x0101010101010101)&w&0x8080808080808080 == 0 { // no byte is 0xff
			b.acc |= w >> uint(b.have)
			n := (63 - b.have) >> 3
			b.at += n
			b.have += 8 * n
			return
		}
	}
	for 0 <= b.have && b.have <= 55 && b.at < len(b.data) {
		c := b.data[b.at]
		if c == 0xff {
			if b.at+1 >= len(b.data) || b.data[b.at+1] != 0 {
				return
			}
			b.at++
		}
		b.at++
		b.acc |= uint64(c) << uint(56-b.have)
		b.have += 8
	}
}

// end returns where the byte behind the last used bit is, counting the rest of
// that bit's byte as used.
func (b *bits) end() int {
	at := b.at
	for range b.have / 8 {
		at--
		if b.data[at] == 0 && b.data[at-1] == 0xff {
			at--
		}
	}
	return at
}

// take returns the next n bits, 1 to 32.
func (b *bits) take(n uint) uint64 {
	if b.have < int(n) {
		b.fill()
	}
	v := b.acc >> (64 - n)
	b.acc <<= n
	b.have -= int(n)
	return v
}
