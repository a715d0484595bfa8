package openvino

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// constant and operator are layers of an IR.
func constant(id int, kind, shape string, offset, size int) string {
	return fmt.Sprintf(`<layer id="%d" name="k%d" type="Const"><data element_type="%s" shape="%s" offset="%d" size="%d"/>`+
		`<output><port id="0"/></output></layer>`, id, id, kind, shape, offset, size)
}

func operator(id int, kind string, inputs ...int) (layer, edges string) {
	layer = fmt.Sprintf(`<layer id="%d" name="%s%d" type="%s"><input>`, id, kind, id, kind)
	for i, from := range inputs {
		layer += fmt.Sprintf(`<port id="%d"/>`, i)
		edges += fmt.Sprintf(`<edge from-layer="%d" from-port="0" to-layer="%d" to-port="%d"/>`, from, id, i)
	}
	return layer + `</input><output><port id="0"/></output></layer>`, edges
}

// TestCompressed: int8 weights less their zero point, times a scale for each channel, as NNCF writes
// them.
func TestCompressed(t *testing.T) {
	convert, e1 := operator(4, "Convert", 0)
	zero, e2 := operator(5, "Convert", 1)
	minus, e3 := operator(6, "Subtract", 4, 5)
	times, e4 := operator(7, "Multiply", 6, 2)
	text := `<?xml version="1.0"?><net name="m" version="11"><layers>` + constant(0, "u8", "2, 3", 0, 6) +
		constant(1, "u8", "2, 1", 6, 2) + constant(2, "f16", "2, 1", 8, 4) + convert + zero + minus + times +
		`</layers><edges>` + e1 + e2 + e3 + e4 + `</edges></net>`
	values := []byte{1, 2, 3, 255, 128, 0, 2, 128, 0x00, 0x38, 0x00, 0x40} // scales 0.5 and 2
	read := func(text string, values []byte) (*Model, error) {
		return Read(strings.NewReader(text), int64(len(text)), func() (io.ReaderAt, int64, error) {
			return bytes.NewReader(values), int64(len(values)), nil
		})
	}
	m, err := read(text, values)
	if err != nil {
		t.Fatal(err)
	}
	k := m.Consts["7:0"]
	if k == nil || !m.Rounded || !Is([]byte(text)) {
		t.Fatalf("got %v, rounded %v, want a constant of rounded numbers", k, m.Rounded)
	}
	if v, err := k.Float32s(); err != nil || fmt.Sprint(v) != "[-0.5 0 0.5 254 0 -256]" {
		t.Errorf("got %v, %v", v, err)
	}
	for say, c := range map[string][2]string{
		"two edges":          {`to-layer="6" to-port="1"`, `to-layer="6" to-port="0"`},
		"want axes of 0":     {`shape="2, 3"`, `shape="2, -3"`},
		"want integers":      {`shape="2, 3"`, `shape="2, x"`},
		"cut short":          {`offset="8"`, `offset="9"`},
		"made twice":         {`id="2" name="k2"`, `id="1" name="k2"`},
		"has no layers":      {text, `<net name="m"><edges/></net>`},
		"the XML is damaged": {`</net>`, `</nets>`},
	} {
		if _, err := read(strings.Replace(text, c[0], c[1], 1), values); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("got %v, want an error with %q", err, say)
		}
	}
}
