package hdf5

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// chunks is a dataset in pieces of equal shape.
type chunks struct {
	f       *reader
	t       raw.Tensor
	dims    []int // of a chunk
	filters []uint16
	tree    uint64
}

// piece is one chunk in the file.
type piece struct {
	addr, size uint64
	skip       uint32 // mask of filters that were not applied
	at         []int  // of its first element
}

// chunked reads the layout and the filters; the tree is walked when the values are asked for.
func (f *reader) chunked(t *raw.Tensor, c, filters *raw.Cursor) error {
	var h struct {
		Rank byte
		Tree uint64
	}
	if err := c.Decode(&h); err != nil {
		return err
	}
	if int(h.Rank) != len(t.Shape)+1 || len(t.Shape) == 0 {
		return fmt.Errorf("its chunks have %d axes, want %d", h.Rank-1, len(t.Shape))
	}
	k := &chunks{f: f, t: *t, tree: h.Tree}
	if k.tree == undefined {
		return errors.New("was declared but never written")
	}
	if err := f.once(k.tree, "chunk tree"); err != nil {
		return err
	}
	sizes := make([]uint32, h.Rank) // of a chunk along each axis, and of an element
	if err := c.Decode(sizes); err != nil {
		return err
	}
	for i, d := range t.Shape {
		n := sizes[i]
		if n == 0 || int64(n) > int64(d) {
			return fmt.Errorf("its chunks have length %d along axis %d, which has %d elements", n, i, d)
		}
		k.dims = append(k.dims, int(n))
	}
	if es := sizes[len(t.Shape)]; int(es) != t.DType.Size() {
		return fmt.Errorf("its chunks have elements of %d bytes, want %d", es, t.DType.Size())
	}
	if filters != nil {
		var err error
		if k.filters, err = pipeline(filters); err != nil {
			return err
		}
	}
	t.Offset = int64(min(k.tree, uint64(f.size)))
	// A deflated byte can stand for about 1032, but weights hardly shrink: so much from so little
	// are none.
	if int64(t.Len())*int64(t.DType.Size()) > maxInflate*f.size {
		return fmt.Errorf("shape %v cannot come from a file of %d bytes", t.Shape, f.size)
	}
	t.Load = k.load
	return nil
}

// maxInflate is how many bytes of values a byte of the file may stand for.
const maxInflate = 64

const (
	filterDeflate = 1
	filterShuffle = 2
)

// pipeline lists the filters in the order in which they were applied.
func pipeline(c *raw.Cursor) ([]uint16, error) {
	b, err := c.Bytes(2)
	if err != nil {
		return nil, err
	}
	if b[0] != 1 && b[0] != 2 || b[1] > 32 {
		return nil, fmt.Errorf("its filter pipeline has version %d and %d filters, want version 1 or 2", b[0], b[1])
	}
	if b[0] == 1 {
		if err := c.Skip(6); err != nil {
			return nil, err
		}
	}
	var out []uint16
	for range b[1] {
		filter := make([]uint16, 3) // its number, in version 1 the length of its name, flags, count of values
		if b[0] == 1 {
			filter = make([]uint16, 4)
		}
		if err := c.Decode(filter); err != nil {
			return nil, err
		}
		id, n := filter[0], 4*int64(filter[len(filter)-1])
		if id != filterDeflate && id != filterShuffle {
			return nil, fmt.Errorf("is packed by filter %d, want deflate or shuffle: save the weights again without it", id)
		}
		if b[0] == 1 {
			n = (n+7)/8*8 + int64(filter[1])
		}
		if err := c.Skip(n); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// load reads every chunk and puts it in its place. Chunks must cover the dataset exactly once.
func (k *chunks) load(dst []float32) error {
	covered := 0
	seen := map[uint64]bool{}
	starts, at := map[string]bool{}, map[uint64]bool{}
	err := k.walk(k.tree, -1, seen, func(p piece) error {
		key := fmt.Sprint(p.at)
		if starts[key] || at[p.addr] {
			return fmt.Errorf("two chunks start at element %v, or at offset %d of the file", p.at, p.addr)
		}
		starts[key], at[p.addr] = true, true
		n, err := k.piece(p, dst)
		covered += n
		return err
	})
	if err != nil {
		return err
	}
	if covered != len(dst) {
		return fmt.Errorf("its chunks hold %d of its %d elements", covered, len(dst))
	}
	return nil
}

// walk visits the chunks of a B-tree.
func (k *chunks) walk(addr uint64, level int, seen map[uint64]bool, each func(piece) error) error {
	if seen[addr] || len(seen) > maxObjects {
		return fmt.Errorf("chunk tree at offset %d is reached twice", addr)
	}
	seen[addr] = true
	// a window of its own: Load may run anywhere
	f := &reader{r: k.f.r, size: k.f.size, all: raw.NewCursor(k.f.r, 0, k.f.size)}
	n, lv, c, err := f.node(addr, 1, level)
	if err != nil {
		return err
	}
	for range n {
		var h struct{ Size, Skip uint32 }
		if err := c.Decode(&h); err != nil {
			return err
		}
		key := make([]uint64, len(k.dims)+2) // the first element, one more axis, and the address
		if err := c.Decode(key); err != nil {
			return err
		}
		p := piece{addr: key[len(k.dims)+1], size: uint64(h.Size), skip: h.Skip}
		for i, d := range k.dims {
			v := key[i]
			if v >= uint64(k.t.Shape[i]) || v%uint64(d) != 0 {
				if lv == 0 {
					return fmt.Errorf("a chunk starts at %d of axis %d, which has %d elements in chunks of %d", v, i, k.t.Shape[i], d)
				}
				v = 0
			}
			p.at = append(p.at, int(v))
		}
		if lv > 0 {
			err = k.walk(p.addr, lv-1, seen, each)
		} else {
			err = each(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// piece unpacks one chunk, copies what lies inside the dataset and returns the number of elements.
func (k *chunks) piece(p piece, dst []float32) (int, error) {
	c, err := k.f.at(p.addr, int64(p.size), "a chunk")
	if err != nil {
		return 0, err
	}
	b := make([]byte, p.size)
	if err := raw.ReadFull(k.f.r, b, c.Pos()); err != nil {
		return 0, err
	}
	es, n := k.t.DType.Size(), 1
	for _, d := range k.dims {
		n *= d
	}
	for i := len(k.filters) - 1; i >= 0; i-- {
		if p.skip&(1<<i) != 0 {
			continue
		}
		if k.filters[i] == filterShuffle {
			b = unshuffle(b, es)
			continue
		}
		if b, err = inflate(b, n*es); err != nil {
			return 0, fmt.Errorf("chunk at offset %d: %w", p.addr, err)
		}
	}
	if len(b) != n*es {
		return 0, fmt.Errorf("chunk at offset %d has %d bytes, want %d", p.addr, len(b), n*es)
	}
	vals := make([]float32, n)
	if err := raw.Decode(vals, b, k.t.DType); err != nil {
		return 0, err
	}
	return k.place(p.at, vals, dst), nil
}

// place copies the rows of a chunk that lie inside the dataset.
func (k *chunks) place(at []int, vals, dst []float32) int {
	last := len(k.dims) - 1
	run := min(k.dims[last], k.t.Shape[last]-at[last])
	idx := make([]int, last)
	for copied := 0; ; {
		to, from, inside := 0, 0, true
		for a := range idx {
			inside = inside && at[a]+idx[a] < k.t.Shape[a]
			to = to*k.t.Shape[a] + at[a] + idx[a]
			from = from*k.dims[a] + idx[a]
		}
		if inside {
			copy(dst[to*k.t.Shape[last]+at[last]:][:run], vals[from*k.dims[last]:][:run])
			copied += run
		}
		a := last - 1
		for ; a >= 0; a-- {
			if idx[a]++; idx[a] < k.dims[a] {
				break
			}
			idx[a] = 0
		}
		if a < 0 {
			return copied
		}
	}
}

// unshuffle undoes the filter that stores the first bytes of all elements, then the second ones,
// and so on.
func unshuffle(b []byte, es int) []byte {
	n := len(b) / es
	out := make([]byte, len(b))
	for j := range es {
		for i := range n {
			out[i*es+j] = b[j*n+i]
		}
	}
	copy(out[n*es:], b[n*es:])
	return out
}

// inflate unpacks exactly n bytes.
func inflate(b []byte, n int) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(n)+1))
	if err != nil {
		return nil, err
	}
	if len(out) != n {
		return nil, fmt.Errorf("unpacks to %d bytes or more, want %d", len(out), n)
	}
	return out, nil
}
