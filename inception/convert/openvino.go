package convert

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/openvino"
)

// openvinoSource reads OpenVINO's IR: the XML, and the constants in the .bin file of its name.
func openvinoSource(f *file) (*source, error) {
	open := f.neighbour()
	if open == nil {
		return nil, errors.New("is OpenVINO's IR without its .bin file: unpack both first")
	}
	name := strings.TrimSuffix(filepath.Base(f.path), filepath.Ext(f.path)) + ".bin"
	m, err := openvino.Read(f.data, f.size, func() (io.ReaderAt, int64, error) { return open(name) })
	if err != nil {
		return nil, err
	}
	if m.Prepared {
		return nil, errors.New("is OpenVINO's IR with its preprocessing built in, which does not say whether it takes " +
			`RGB or BGR: write it as it was converted, with openvino.save_model(openvino.convert_model(net), "net.xml")`)
	}
	src, match, err := graphSource(m.Graph, onnxDialect{})
	if err != nil {
		return nil, err
	}
	src.what, src.rounded = "OpenVINO", m.Rounded
	src.pooled(match, timmNames(m.Graph))
	return src, nil
}
