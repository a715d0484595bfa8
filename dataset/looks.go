package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// Looks keeps what Check saw in pictures that it decoded, by the SHA-256 of their bytes: format,
// size and what near duplicates are found by. With it a picture is decoded once, however often its
// folder is checked. It is a Cache in a file of its own, as safe as that.
type Looks struct{ cache *Cache }

// looksVersion changes whenever a fingerprint or what decodes would.
const looksVersion = "looks/1"

// Layout of a look: bytes, three to a float32, which holds them exactly.
const (
	lookBytes  = 1 + 1 + 4 + 4 + 8 + 8 + 8 + side*side + 2*16 + 8
	lookFloats = (lookBytes + 2) / 3
)

// lookFormats numbers the formats that Decode knows, from 1.
var lookFormats = [...]string{"", "jpeg", "png", "gif", "bmp", "webp", "tiff"}

// OpenLooks opens the file in dir, and makes both where they are missing.
func OpenLooks(dir string) (*Looks, error) {
	cache, err := OpenCache(dir, CacheKey{
		Trunk: looksVersion, Features: lookFloats,
		Recipe: Recipe{Size: grid, Orient: true, Geometry: Squash, Filter: Nearest, Std: [3]float32{1, 1, 1}},
	})
	if err != nil {
		return nil, err
	}
	return &Looks{cache}, nil
}

// Len returns the number of pictures that are known.
func (l *Looks) Len() int { return l.cache.Len() }

// Close syncs and closes the file.
func (l *Looks) Close() error { return l.cache.Close() }

// get fills in what is known of p, whose sum and bytes are set.
func (l *Looks) get(p *checked, print *fingerprint) bool {
	if l == nil {
		return false
	}
	packed, ok := l.cache.Get(p.sum)
	if !ok {
		return false
	}
	var b [3 * lookFloats]byte
	for i, v := range packed {
		bits := uint32(v)
		b[3*i], b[3*i+1], b[3*i+2] = byte(bits), byte(bits>>8), byte(bits>>16)
	}
	format := int(b[0])
	if format < 1 || format >= len(lookFormats) {
		return false
	}
	le := binary.LittleEndian
	p.format, p.rotated = lookFormats[format], b[1] != 0
	p.width, p.height, p.need = int32(le.Uint32(b[2:])), int32(le.Uint32(b[6:])), int64(le.Uint64(b[10:]))
	print.hash, print.mirror = le.Uint64(b[18:]), le.Uint64(b[26:])
	at := 34 + copy(print.luma[:], b[34:])
	for c := range print.chroma {
		at += copy(print.chroma[c][:], b[at:])
	}
	print.detail = math.Float64frombits(le.Uint64(b[at:]))
	return true
}

// put keeps what was seen in a picture that was decoded in full.
func (l *Looks) put(p *checked, print *fingerprint) error {
	format := 0
	for i, f := range lookFormats {
		if f == p.format {
			format = i
		}
	}
	if l == nil || format == 0 {
		return nil
	}
	le := binary.LittleEndian
	b := make([]byte, 0, 3*lookFloats)
	b = append(b, byte(format), 0)
	if p.rotated {
		b[1] = 1
	}
	b = le.AppendUint32(le.AppendUint32(b, uint32(p.width)), uint32(p.height))
	b = le.AppendUint64(b, uint64(p.need))
	b = le.AppendUint64(le.AppendUint64(b, print.hash), print.mirror)
	b = append(b, print.luma[:]...)
	for c := range print.chroma {
		b = append(b, print.chroma[c][:]...)
	}
	b = le.AppendUint64(b, math.Float64bits(print.detail))
	b = b[:3*lookFloats]
	packed := make([]float32, lookFloats)
	for i := range packed {
		packed[i] = float32(uint32(b[3*i]) | uint32(b[3*i+1])<<8 | uint32(b[3*i+2])<<16)
	}
	return l.cache.Put(p.sum, packed)
}

// within tells whether a picture of this size may be decoded under lim; one that may not is refused
// by Decode with the reason.
func (p *checked) within(lim Limits) bool {
	return int64(p.width)*int64(p.height) <= lim.maxPixels() && p.sum != [sha256.Size]byte{}
}
