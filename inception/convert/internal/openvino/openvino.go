// Package openvino reads OpenVINO's IR, versions 10 and 11 (docs.openvino.ai, "Operation Sets"): an
// XML file with layers and the edges between their ports, and a .bin file beside it with the
// constants. Operators are handed on under ONNX's names and attributes.
package openvino

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Bounds of an IR; the XML of an InceptionV3 has half a megabyte.
const (
	maxXML  = 64 << 20
	maxInts = 64
)

// Model is what an IR holds.
type Model struct {
	*graph.Graph
	Rounded bool // constants are quantised to few levels
	// Prepared says that its input was changed by OpenVINO's preprocessing, which may have turned the
	// order of the channels round without a trace.
	Prepared bool
}

// Is tells an IR by the first bytes of its XML.
func Is(head []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	net := []byte("<net ")
	return bytes.HasPrefix(text, net) || bytes.HasPrefix(text, []byte("<?xml")) && bytes.Contains(text, net)
}

type port struct {
	ID        string `xml:"id,attr"`
	Precision string `xml:"precision,attr"`
	Dims      []int  `xml:"dim"`
}

type attributes struct {
	List []xml.Attr `xml:",any,attr"`
}

type layer struct {
	ID      string       `xml:"id,attr"`
	Name    string       `xml:"name,attr"`
	Type    string       `xml:"type,attr"`
	Data    attributes   `xml:"data"`
	Inputs  []port       `xml:"input>port"`
	Outputs []port       `xml:"output>port"`
	Info    []attributes `xml:"rt_info>attribute"`
	at      int64
}

type edge struct {
	FromLayer string `xml:"from-layer,attr"`
	FromPort  string `xml:"from-port,attr"`
	ToLayer   string `xml:"to-layer,attr"`
	ToPort    string `xml:"to-port,attr"`
}

// attr is an attribute of a layer's data.
func (l *layer) attr(name string) string {
	for _, a := range l.Data.List {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// ints are an attribute's numbers, nil when it has none.
func (l *layer) ints(name string) ([]int64, error) {
	text := l.attr(name)
	if text == "" {
		return nil, nil
	}
	fields := strings.Split(text, ",")
	if len(fields) > maxInts {
		return nil, fmt.Errorf("attribute %s has %d numbers, want at most %d", name, len(fields), maxInts)
	}
	out := make([]int64, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseInt(strings.TrimSpace(f), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("attribute %s is %q, want integers", name, text)
		}
		out[i] = v
	}
	return out, nil
}

// reader reads one IR.
type reader struct {
	Model
	from   map[string]string // "layer:port" of an input -> of the output that feeds it
	bin    io.ReaderAt
	size   int64 // of bin
	layers []*layer
}

// Read reads an XML file of the given size; open opens the file of constants beside it.
func Read(r io.ReaderAt, size int64, open func() (io.ReaderAt, int64, error)) (*Model, error) {
	if size > maxXML {
		return nil, fmt.Errorf("OpenVINO: the XML has %d bytes, want at most %d", size, maxXML)
	}
	f := &reader{Model: Model{Graph: graph.New("OpenVINO")}, from: map[string]string{}}
	if err := f.parse(xml.NewDecoder(io.NewSectionReader(r, 0, size))); err != nil {
		return nil, fmt.Errorf("OpenVINO: %w", err)
	}
	var err error
	if f.bin, f.size, err = open(); err != nil {
		return nil, fmt.Errorf("OpenVINO: its constants are in another file, which belongs beside this one: %w", err)
	}
	for _, l := range f.layers {
		if err := f.layer(l); err != nil {
			return nil, fmt.Errorf("OpenVINO: layer %q at offset %d: %w", l.Name, l.at, err)
		}
	}
	return &f.Model, nil
}

// parse reads the layers and edges of the outermost network.
func (f *reader) parse(d *xml.Decoder) error {
	for {
		at := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the XML is damaged at byte %d: %w", at, err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "layer":
			l := &layer{at: at}
			if err := d.DecodeElement(l, &start); err != nil {
				return fmt.Errorf("layer at offset %d: %w", at, err)
			}
			f.layers = append(f.layers, l)
		case "edge":
			var e edge
			if err := d.DecodeElement(&e, &start); err != nil {
				return fmt.Errorf("edge at offset %d: %w", at, err)
			}
			to := e.ToLayer + ":" + e.ToPort
			if f.from[to] != "" {
				return fmt.Errorf("two edges lead to port %s", to)
			}
			f.from[to] = e.FromLayer + ":" + e.FromPort
		case "reverse_input_channels":
			for _, a := range start.Attr {
				f.Prepared = f.Prepared || a.Name.Local == "value" && strings.EqualFold(a.Value, "true")
			}
		}
	}
	if len(f.layers) == 0 {
		return errors.New("has no layers")
	}
	return nil
}

// types are OpenVINO's element types.
var types = map[string]raw.DType{"f16": raw.F16, "bf16": raw.BF16, "f32": raw.F32, "f64": raw.F64, "i8": raw.I8,
	"u8": raw.U8, "i16": raw.I16, "i32": raw.I32, "i64": raw.I64, "boolean": raw.Bool}

// layer adds one layer to the graph.
func (f *reader) layer(l *layer) error {
	switch l.Type {
	case "Parameter":
		return f.parameter(l)
	case "Const":
		return f.constant(l)
	case "Result":
		return nil
	}
	n := &graph.Node{Name: l.Name, Op: l.Type, Attrs: map[string]graph.Attr{}, At: l.at}
	for _, p := range l.Inputs {
		n.Inputs = append(n.Inputs, f.from[l.ID+":"+p.ID])
	}
	var outputs []string
	for _, p := range l.Outputs {
		outputs = append(outputs, l.ID+":"+p.ID)
	}
	if len(outputs) == 1 {
		if done, err := f.folded(n, l, outputs[0]); done || err != nil {
			return err
		}
	}
	if op, ok := operators[l.Type]; ok {
		n.Op = op
	}
	if err := f.translate(n, l); err != nil {
		return err
	}
	return f.Add(n, outputs...)
}

// parameter notes the type and the side of an input.
func (f *reader) parameter(l *layer) error {
	if len(l.Outputs) != 1 {
		return fmt.Errorf("has %d outputs, want 1", len(l.Outputs))
	}
	value, dims := l.ID+":"+l.Outputs[0].ID, l.Outputs[0].Dims
	f.Bytes[value] = l.attr("element_type") == "u8"
	for _, i := range l.Info {
		for _, a := range i.List {
			f.Prepared = f.Prepared || a.Name.Local == "layout"
		}
	}
	f.Prepared = f.Prepared || f.Bytes[value]
	if len(dims) == 4 {
		if dims[3] == 3 && dims[1] == dims[2] {
			f.Sizes[value] = min(max(dims[1], 0), 1<<20)
		} else if dims[2] == dims[3] {
			f.Sizes[value] = min(max(dims[2], 0), 1<<20)
		}
	}
	return nil
}

// constant adds a constant whose values lie in the .bin file.
func (f *reader) constant(l *layer) error {
	if len(l.Outputs) != 1 {
		return fmt.Errorf("has %d outputs, want 1", len(l.Outputs))
	}
	dims, err := l.ints("shape")
	if err != nil {
		return err
	}
	k := &graph.Const{Tensor: raw.Tensor{Name: l.Name, DType: types[l.attr("element_type")], Load: raw.NotFloat}}
	for _, d := range dims {
		if d < 0 || d > raw.MaxElements {
			return fmt.Errorf("has shape %v, want axes of 0..%d", dims, raw.MaxElements)
		}
		k.Shape = append(k.Shape, int(d))
	}
	n, err := raw.Elements(k.Shape)
	if err != nil {
		return err
	}
	off, errOff := strconv.ParseInt(l.attr("offset"), 10, 64)
	size, errSize := strconv.ParseInt(l.attr("size"), 10, 64)
	value := l.ID + ":" + l.Outputs[0].ID
	if k.DType == raw.Invalid { // of a type that weights never have, such as text
		return f.AddConst(value, k)
	}
	if err := errors.Join(errOff, errSize); err != nil || off < 0 || size != int64(n)*int64(k.DType.Size()) ||
		off > f.size || size > f.size-off {
		return fmt.Errorf("its values are %q bytes from %q on, want %d for shape %v of %v within the .bin file's %d: it is "+
			"cut short, or another model's", l.attr("size"), l.attr("offset"), n*k.DType.Size(), k.Shape, k.DType, f.size)
	}
	k.Offset = off
	if k.DType.Float() {
		k.Load, err = raw.Dense(f.bin, f.size, off, n, k.DType)
		return errors.Join(err, f.AddConst(value, k))
	}
	k.Body = raw.NewCursor(f.bin, off, off+size)
	if (k.DType == raw.I64 || k.DType == raw.I32) && n <= maxInts*maxInts {
		if k.Ints, err = k.Body.Ints(k.DType, maxInts*maxInts); err != nil {
			return err
		}
	}
	return f.AddConst(value, k)
}
