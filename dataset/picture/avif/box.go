package avif

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"math"

	"github.com/c236555e/rehead/dataset/picture"
)

// name is the format's, as picture.Info has it.
const name = "avif"

// match tells AVIF by the brands of the first box.
func match(head []byte) bool {
	if len(head) < 16 || string(head[4:8]) != "ftyp" {
		return false
	}
	brands := head[8:min(uint64(len(head)), max(uint64(binary.BigEndian.Uint32(head)), 16))]
	for at := 0; at+4 <= len(brands); at += 4 {
		if brand := string(brands[at : at+4]); at != 4 && (brand == "avif" || brand == "avis") { // at 4 is the version
			return true
		}
	}
	return false
}

// box is a box of a container: ISO/IEC 14496-12, 4.2.
type box struct {
	kind string
	body []byte
}

// boxes yields the boxes in data, up to the first that is cut short.
func boxes(data []byte) iter.Seq[box] {
	return func(yield func(box) bool) {
		for len(data) >= 8 {
			n, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
			switch {
			case n == 0: // up to the end
				n = uint64(len(data))
			case n == 1 && len(data) >= 16:
				n, head = binary.BigEndian.Uint64(data[8:]), 16
			}
			if n < head || n > uint64(len(data)) || !yield(box{string(data[4:8]), data[head:n]}) {
				return
			}
			data = data[n:]
		}
	}
}

// inside is the body of the first box of a kind in data.
func inside(data []byte, kind string) []byte {
	for b := range boxes(data) {
		if b.kind == kind {
			return b.body
		}
	}
	return nil
}

// numbers reads big-endian numbers; beyond the end they are 0, and short is true.
type numbers struct {
	data  []byte
	short bool
}

func (n *numbers) next(bytes int) (v uint64) {
	if len(n.data) < bytes {
		n.data, n.short = nil, true
		return 0
	}
	for _, b := range n.data[:bytes] {
		v = v<<8 | uint64(b)
	}
	n.data = n.data[bytes:]
	return v
}

// versioned reads the version and the flags that such boxes begin with.
func (n *numbers) versioned() (version, flags uint64) {
	v := n.next(4)
	return v >> 24, v & 0xffffff
}

// still is what is known of the picture that a file shows first.
type still struct {
	width, height int
	angle         int // quarters turned counterclockwise
	mirror        int // -1 without, 0 top and bottom, 1 left and right
	cropped       bool
	deep          bool // more than 8 bits
	opaque        bool
}

// readStill reads the container: ISO/IEC 23008-12, 6 and 9.
func readStill(data []byte) (s still, err error) {
	s.mirror = -1
	meta := inside(data, "meta")
	if len(meta) < 4 {
		if inside(data, "moov") != nil {
			return s, &picture.UnsupportedError{Format: name, Reason: "a sequence without a still picture"}
		}
		return s, io.ErrUnexpectedEOF
	}
	meta = meta[4:] // version and flags
	id, ok := primary(meta)
	if !ok {
		return s, io.ErrUnexpectedEOF
	}
	iprp := inside(meta, "iprp")
	var list []box
	for b := range boxes(inside(iprp, "ipco")) {
		list = append(list, b)
	}
	for _, i := range properties(inside(iprp, "ipma"), id) {
		if 0 < i && int(i) <= len(list) {
			s.property(list[i-1])
		}
	}
	s.opaque = !bytes.Contains(inside(meta, "iref"), []byte("auxl"))
	if !whole(inside(meta, "iloc"), uint64(len(data))) {
		return s, io.ErrUnexpectedEOF
	}
	if s.width == 0 || s.height == 0 {
		return s, errors.New("it does not say its size")
	}
	return s, nil
}

// primary is the number of the item that is shown.
func primary(meta []byte) (id uint64, ok bool) {
	n := numbers{data: inside(meta, "pitm")}
	if version, _ := n.versioned(); version == 0 {
		id = n.next(2)
	} else {
		id = n.next(4)
	}
	return id, !n.short
}

// properties are the places, from 1, of an item's properties, in their order.
func properties(ipma []byte, id uint64) (out []uint64) {
	n := numbers{data: ipma}
	version, flags := n.versioned()
	of, each := 2, 1
	if version > 0 {
		of = 4
	}
	if flags&1 != 0 {
		each = 2
	}
	for range n.next(4) {
		item, count := n.next(of), n.next(1)
		for range count {
			p := n.next(each) & (1<<(8*each-1) - 1) // the highest bit says that it matters
			if item == id {
				out = append(out, p)
			}
		}
		if n.short {
			break
		}
	}
	return out
}

// whole tells whether all that a file of so many bytes says that it holds lies in it: the decoder
// would show a black picture in its place.
func whole(iloc []byte, size uint64) bool {
	n := numbers{data: iloc}
	version, _ := n.versioned()
	sizes := n.next(2) // four bits each: of an offset, of a length, of the base, of an index
	offset, length, base, index := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15), int(sizes&15)
	wide := 2
	if version > 1 {
		wide = 4
	}
	for range n.next(wide) {
		n.next(wide)
		method := uint64(0)
		if version > 0 {
			method = n.next(2) & 15
		}
		n.next(2)
		from := n.next(base)
		for range n.next(2) {
			if version > 0 {
				n.next(index)
			}
			at, bytes := from+n.next(offset), n.next(length)
			if n.short || method == 0 && (at > size || bytes > size-at) {
				return false
			}
		}
	}
	return !n.short
}

// property takes up one of the picture.
func (s *still) property(b box) {
	n := numbers{data: b.body}
	switch b.kind {
	case "ispe":
		n.versioned()
		s.width, s.height = int(min(n.next(4), math.MaxInt32)), int(min(n.next(4), math.MaxInt32))
	case "av1C":
		n.next(2)
		s.deep = n.next(1)&0x40 != 0
	case "clap":
		s.cropped = true
	case "irot":
		s.angle = int(n.next(1) & 3)
	case "imir":
		s.mirror = int(n.next(1) & 1)
	}
}

// orientation is the turn and the mirror as Exif numbers them; the turn comes first.
func (s *still) orientation() int {
	switch s.mirror {
	case 0:
		return [4]int{4, 5, 2, 7}[s.angle]
	case 1:
		return [4]int{2, 7, 4, 5}[s.angle]
	}
	return [4]int{1, 8, 3, 6}[s.angle]
}

// config is picture.Format's.
func config(data []byte) (picture.Info, error) {
	s, err := readStill(data)
	if err == nil && s.cropped {
		err = &picture.UnsupportedError{Format: name, Reason: "a crop (clap)"}
	}
	return picture.Info{Width: s.width, Height: s.height, Orientation: s.orientation()}, err
}

// pixelBytes is picture.Format's PixelBytes: 66 and 109 were held of 16 megapixels, with all else
// that `rehead bench decode` holds.
func pixelBytes(data []byte) int64 {
	if s, err := readStill(data); err == nil && !s.deep {
		return 64
	}
	return 112
}
