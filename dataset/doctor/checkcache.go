package doctor

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"

	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/picture"
)

// CheckCache keeps what Check saw in pictures that it decoded, by the SHA-256 of their bytes:
// format, size and what near duplicates are found by. With it a picture is decoded once, however
// often its folder is checked. It is a Store, and as safe as that.
type CheckCache struct{ store *cache.Store }

// checkVersion changes whenever a fingerprint or what decodes would.
const checkVersion = 4

// checkBytes is the length of what is kept of a picture.
const checkBytes = 1 + 1 + 4 + 4 + 8 + 8 + 8 + side*side + 2*16 + 8 + 2 + grid*grid

// checkFormats numbers the formats that Decode knows, from 1.
var checkFormats = [...]string{"", "jpeg", "png", "gif", "bmp", "webp", "tiff"}

// OpenCheckCache opens the file in dir, and makes both where they are missing.
func OpenCheckCache(dir string) (*CheckCache, error) {
	store, err := cache.OpenStore(dir, cache.Format{
		Name: "check cache", Magic: "REHEADCK", Version: checkVersion, Suffix: ".checks", Length: checkBytes,
	})
	if err != nil {
		return nil, err
	}
	return &CheckCache{store}, nil
}

// Len returns the number of pictures that are known.
func (c *CheckCache) Len() int { return c.store.Len() }

// Path returns the file's path.
func (c *CheckCache) Path() string { return c.store.Path() }

// Merge puts what other knows into c.
func (c *CheckCache) Merge(other *CheckCache) error {
	if other == nil {
		return errors.New("dataset: check cache: merge: got none to merge")
	}
	_, err := c.store.Merge(other.store)
	return err
}

// Close syncs and closes the file.
func (c *CheckCache) Close() error { return c.store.Close() }

// get fills in what is known of p, whose sum and bytes are set.
func (c *CheckCache) get(p *checked, print *fingerprint) bool {
	if c == nil {
		return false
	}
	var b []byte
	if !c.store.Get(p.sum, func(value []byte) { b = append(b, value...) }) {
		return false
	}
	format := int(b[0])
	if format < 1 || format >= len(checkFormats) {
		return false
	}
	le := binary.LittleEndian
	p.format, p.rotated = checkFormats[format], b[1] != 0
	p.width, p.height, p.need = int32(le.Uint32(b[2:])), int32(le.Uint32(b[6:])), int64(le.Uint64(b[10:]))
	print.hash, print.mirror = le.Uint64(b[18:]), le.Uint64(b[26:])
	at := 34 + copy(print.luma[:], b[34:])
	for c := range print.chroma {
		at += copy(print.chroma[c][:], b[at:])
	}
	print.detail, p.largest = math.Float64frombits(le.Uint64(b[at:])), le.Uint16(b[at+8:])
	copy(print.shape[:], b[at+10:])
	return true
}

// put keeps what was seen in a picture that was decoded in full.
func (c *CheckCache) put(p *checked, print *fingerprint) error {
	format := 0
	for i, f := range checkFormats {
		if f == p.format {
			format = i
		}
	}
	if c == nil || format == 0 {
		return nil
	}
	le := binary.LittleEndian
	b := make([]byte, 0, checkBytes)
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
	b = le.AppendUint16(le.AppendUint64(b, math.Float64bits(print.detail)), p.largest)
	b = append(b, print.shape[:]...)
	return c.store.Put(p.sum, b)
}

// within tells whether a picture of this size may be decoded under lim; one that may not is refused
// by Decode with the reason.
func (p *checked) within(lim picture.Limits) bool {
	return int64(p.width)*int64(p.height) <= lim.Pixels() && p.sum != [sha256.Size]byte{}
}
