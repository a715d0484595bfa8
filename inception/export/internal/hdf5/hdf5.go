// Package hdf5 writes HDF5 files in their oldest form, which every reader takes: superblock 0, groups
// of symbol tables, contiguous datasets of little-endian float32. It follows "HDF5 File Format
// Specification Version 3.0", sections II.A, III.A, III.B, III.C, III.D and IV.A.
package hdf5

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/c236555e/rehead/internal/safetensors"
)

// Dataset is one array.
type Dataset struct {
	Path   string           // of groups and the dataset's name: "layers/conv2d/vars/0"
	Shape  []int            // at least one axis
	Values func() []float32 // row-major, as many as Shape says; asked for once, while it is written
}

// elements is the number of a dataset's values.
func (d *Dataset) elements() int {
	n := 1
	for _, s := range d.Shape {
		n *= s
	}
	return n
}

// What the form fixes: bytes of its parts, and how many entries a node may have.
const (
	superblock = 96
	header     = 16 // of an object
	leaf       = 4  // symbol nodes have up to 2 x leaf entries
	internal   = 16 // trees of one level have up to 2 x internal symbol nodes
	treeBytes  = 24 + 2*internal*16 + 8
	nodeBytes  = 8 + 2*leaf*40
	undefined  = ^uint64(0)
)

// object is a group or a dataset, with its place in the file.
type object struct {
	name    string
	set     *Dataset // of a dataset
	members map[string]*object

	sorted           []*object // the members by name
	names            []uint64  // where each one's name begins in the heap
	heap             int       // bytes of the heap's data
	at, tree, symbol uint64
	data             uint64 // of a dataset: its values; of a group: the heap
}

// Write writes a file with the datasets and the groups of their paths. A group has at most 256
// members; paths must be different, and none may lead through a dataset.
func Write(w io.Writer, sets []Dataset) error {
	root := &object{members: map[string]*object{}}
	for i := range sets {
		if err := root.add(&sets[i]); err != nil {
			return err
		}
	}
	end, err := root.place(superblock)
	if err != nil {
		return err
	}
	var order []*object
	end = root.values(end, &order)
	b := root.encode(root.start(end))
	if _, err := w.Write(b); err != nil {
		return err
	}
	for _, o := range order {
		if err := o.write(w); err != nil {
			return err
		}
	}
	return nil
}

// add puts a dataset into the tree of groups.
func (o *object) add(d *Dataset) error {
	parts := strings.Split(d.Path, "/")
	for i, p := range parts {
		if o.members == nil || p == "" {
			return fmt.Errorf("hdf5: dataset %q: want a path of names below groups", d.Path)
		}
		next := o.members[p]
		if i == len(parts)-1 {
			if next != nil || len(d.Shape) == 0 || d.elements() < 1 {
				return fmt.Errorf("hdf5: dataset %q of shape %v: is there already, or has no values", d.Path, d.Shape)
			}
			next = &object{name: p, set: d}
			o.members[p] = next
		}
		if next == nil {
			next = &object{name: p, members: map[string]*object{}}
			o.members[p] = next
		}
		o = next
	}
	return nil
}

// place gives the object and what is below it their addresses, from at on, and returns the next.
func (o *object) place(at uint64) (uint64, error) {
	o.at = at
	if o.set != nil {
		return at + uint64(len(o.datasetHeader())), nil
	}
	o.sorted = slices.SortedFunc(maps.Values(o.members), func(a, b *object) int { return cmp.Compare(a.name, b.name) })
	if len(o.sorted) > 2*internal*2*leaf {
		return 0, fmt.Errorf("hdf5: group %q has %d members, want at most %d", o.name, len(o.sorted), 2*internal*2*leaf)
	}
	o.heap = 8 // the empty name
	for _, m := range o.sorted {
		o.names = append(o.names, uint64(o.heap))
		o.heap += (len(m.name) + 8) / 8 * 8
	}
	o.tree = at + header + 24
	o.data = o.tree + treeBytes
	o.symbol = o.data + 32 + uint64(o.heap)
	at = o.symbol + uint64((len(o.sorted)+2*leaf-1)/(2*leaf)*nodeBytes)
	var err error
	for _, m := range o.sorted {
		if at, err = m.place(at); err != nil {
			return 0, err
		}
	}
	return at, nil
}

// values gives the datasets below the object the addresses of their values, and lists them.
func (o *object) values(at uint64, order *[]*object) uint64 {
	if o.set != nil {
		o.data = at
		*order = append(*order, o)
		return at + uint64(4*o.set.elements())
	}
	for _, m := range o.sorted {
		at = m.values(at, order)
	}
	return at
}

var le = binary.LittleEndian

func numbers(b []byte, v ...uint64) []byte {
	for _, x := range v {
		b = le.AppendUint64(b, x)
	}
	return b
}

// start is the superblock of a file of the given length.
func (o *object) start(end uint64) []byte {
	b := append([]byte("\x89HDF\r\n\x1a\n"), 0, 0, 0, 0, 0, 8, 8, 0)
	b = le.AppendUint16(le.AppendUint16(b, leaf), internal)
	b = le.AppendUint32(b, 0)
	b = numbers(b, 0, undefined, end, undefined)
	return o.entry(b, 0)
}

// entry is the object's entry in a symbol table; name is where its name begins in the heap.
func (o *object) entry(b []byte, name uint64) []byte {
	b = numbers(b, name, o.at)
	if o.set != nil {
		return append(b, make([]byte, 24)...)
	}
	return numbers(le.AppendUint32(le.AppendUint32(b, 1), 0), o.tree, o.data)
}

// encode appends the object and what is below it, without the datasets' values.
func (o *object) encode(b []byte) []byte {
	if o.set != nil {
		return append(b, o.datasetHeader()...)
	}
	b = append(b, messages(message(nil, 0x11, numbers(nil, o.tree, o.data)), 1)...)
	nodes := slices.Collect(slices.Chunk(o.sorted, 2*leaf))
	tree := le.AppendUint16(append([]byte("TREE"), 0, 0), uint16(len(nodes)))
	tree = numbers(tree, undefined, undefined, 0)
	for i := range nodes {
		last := min((i+1)*2*leaf, len(o.sorted)) - 1
		tree = numbers(tree, o.symbol+uint64(i*nodeBytes), o.names[last])
	}
	b = append(append(b, tree...), make([]byte, treeBytes-len(tree))...)
	const noneFree = 1
	b = numbers(append(b, "HEAP\x00\x00\x00\x00"...), uint64(o.heap), noneFree, o.data+32)
	b = append(b, make([]byte, 8)...)
	for _, m := range o.sorted {
		b = append(append(b, m.name...), make([]byte, 8-len(m.name)%8)...)
	}
	for i, members := range nodes {
		node := le.AppendUint16([]byte("SNOD\x01\x00"), uint16(len(members)))
		for j, m := range members {
			node = m.entry(node, o.names[i*2*leaf+j])
		}
		b = append(append(b, node...), make([]byte, nodeBytes-len(node))...)
	}
	for _, m := range o.sorted {
		b = m.encode(b)
	}
	return b
}

// message appends a message of an object's header, whose length is rounded up to whole words.
func message(b []byte, kind uint16, body []byte) []byte {
	body = append(body, make([]byte, (8-len(body)%8)%8)...)
	b = le.AppendUint16(le.AppendUint16(b, kind), uint16(len(body)))
	return append(append(b, 0, 0, 0, 0), body...)
}

// messages is an object's header with so many messages.
func messages(body []byte, n int) []byte {
	b := le.AppendUint16([]byte{1, 0}, uint16(n))
	b = le.AppendUint32(le.AppendUint32(b, 1), uint32(len(body)))
	return append(append(b, 0, 0, 0, 0), body...)
}

// datasetHeader says shape, type and place.
func (o *object) datasetHeader() []byte {
	space := []byte{1, byte(len(o.set.Shape)), 0, 0, 0, 0, 0, 0}
	for _, d := range o.set.Shape {
		space = numbers(space, uint64(d))
	}
	const float, implied, signBit = 0x11, 0x20, 31
	kind := le.AppendUint32([]byte{float, implied, signBit, 0}, 4)
	kind = append(kind, 0, 0, 32, 0, 23, 8, 0, 23) // bits: offset, number, of the exponent and the fraction
	kind = le.AppendUint32(kind, 127)
	const late, ifSet = 2, 2
	fill := []byte{2, late, ifSet, 1, 0, 0, 0, 0} // the default
	const contiguous = 1
	layout := numbers([]byte{3, contiguous}, o.data, uint64(4*o.set.elements()))
	b := message(message(nil, 1, space), 3, kind)
	return messages(message(message(b, 5, fill), 8, layout), 4)
}

// write writes a dataset's values.
func (o *object) write(w io.Writer) error {
	values := o.set.Values()
	if len(values) != o.set.elements() {
		return fmt.Errorf("hdf5: dataset %q: got %d values, want %d for %v", o.set.Path, len(values), o.set.elements(),
			o.set.Shape)
	}
	return safetensors.WriteFloat32(w, values)
}
