package jpeg

import "encoding/hex"

// lookBits is how many bits the first look at a table takes: enough for almost
// all codes of real pictures, and of many the value behind the code too.
const lookBits = 10

// table decodes one Huffman code.
type table struct {
	// look has for each lookBits bits what they begin with, as an entry; 0 where
	// the code is longer.
	look [1 << lookBits]entry

	// Codes of n bits, taken from the left of 16, are below limit[n], where those
	// of fewer bits are not; the values of those begin at values[first[n]] for the
	// code start[n].
	limit  [17]uint32
	first  [17]int
	start  [17]uint32
	values [256]uint8
}

// entry is a decoded symbol: from the low bits, 5 of how many to drop, 1 that
// says that the value is in the entry, 4 of how many bits the value has, 4 of
// how many zeros come before it, and from bit 16 on the value.
type entry int32

const entryValue entry = 1 << 5

func (e entry) drop() uint   { return uint(e & 31) }
func (e entry) size() uint   { return uint(e >> 6 & 15) }
func (e entry) run() int     { return int(e >> 10 & 15) }
func (e entry) value() int32 { return int32(e) >> 16 }

// newTable makes the table of the codes that counts, of each length 1 to 16, and
// values say (T.81, C.2). For AC coefficients a value is a run of zeros and a
// size; for DC ones it is a size, at most 11 in a picture of 8 bits a sample.
// Codes that do not fit in their lengths make no table.
func newTable(counts [16]byte, values []byte, ac bool) (*table, bool) {
	t := new(table)
	copy(t.values[:], values)
	code, k := uint32(0), 0
	for i, count := range counts {
		n := i + 1
		code <<= 1
		t.start[n], t.first[n] = code, k
		for range count {
			if code >= 1<<n {
				return nil, false
			}
			if v := values[k]; !ac && v > 15 {
				return nil, false
			} else if n <= lookBits {
				t.fill(code, n, v)
			}
			code++
			k++
		}
		t.limit[n] = code << (16 - n)
	}
	return t, true
}

// fill enters a code of n bits wherever lookBits bits begin with it.
func (t *table) fill(code uint32, n int, value uint8) {
	run, size := int(value>>4), int(value&15)
	spare := lookBits - n
	for i := range 1 << spare {
		e := entry(run<<10 | size<<6 | n)
		if 0 < size && size <= spare {
			v := extend(uint64(i)>>(spare-size), uint(size))
			e = entry(v)<<16 | entry(run<<10|size<<6|(n+size)) | entryValue
		}
		t.look[int(code)<<spare|i] = e
	}
}

// long decodes a code of more than lookBits bits at the left of acc. The entry
// is 0 when there is no such code.
func (t *table) long(acc uint64) entry {
	bits := uint32(acc >> 48)
	for n := lookBits + 1; n <= 16; n++ {
		if bits < t.limit[n] {
			v := int(t.values[t.first[n]+int(bits>>(16-n)-t.start[n])])
			return entry(v>>4<<10 | v&15<<6 | n)
		}
	}
	return 0
}

// extend makes a signed value of its size bits (T.81, F.2.2.1).
func extend(v uint64, size uint) int32 {
	x := int32(v)
	if x < 1<<(size-1) {
		x += -1<<size + 1
	}
	return x
}

// standard holds the typical tables of T.81, annex K.3, in hexadecimal: how many codes there are of
// each length 1 to 16, and the values. The frames of Motion-JPEG cameras leave them out.
var standard = [2][2]string{{
	"00010501010101010100000000000000" + "000102030405060708090a0b",
	"0002010303020403050504040000017d" + "01020300041105122131410613516107227114328191a1082342b1c11552d1f0" +
		"2433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778" +
		"797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da" +
		"e1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
}, {
	"00030101010101010101010000000000" + "000102030405060708090a0b",
	"00020102040403040705040400010277" + "000102031104052131061241510761711322328108144291a1b1c109233352f0" +
		"156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a7374757677" +
		"78797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8" +
		"d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
}}

// table returns table id of a class, 0 for DC coefficients and 1 for AC ones: the standard's where
// the file has none, or nil.
func (d *decoder) table(of *[4]*table, id, class uint8) *table {
	if of[id] == nil && id < 2 {
		d.odd = true
		spec, err := hex.DecodeString(standard[id][class])
		if err != nil {
			return nil
		}
		of[id], _ = newTable([16]byte(spec), spec[16:], class == 1)
	}
	return of[id]
}
