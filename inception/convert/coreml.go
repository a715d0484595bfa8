package convert

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/c236555e/rehead/inception/convert/internal/coreml"
)

// packageModel is where a Core ML package keeps its model.
const packageModel = "Data/com.apple.CoreML/model.mlmodel"

// isPackage reports whether a path is the folder of a Core ML package.
func isPackage(path string) bool {
	for _, name := range []string{"Manifest.json", packageModel} {
		if st, err := os.Stat(filepath.Join(path, name)); err != nil || !st.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// coremlSource reads a Core ML model, alone or in its package.
func coremlSource(f *file) (*source, error) {
	m, err := coreml.Read(f.data, f.size, coreml.Open(f.neighbour()))
	if err != nil {
		return nil, err
	}
	if m.BGR {
		return nil, errors.New("takes pictures with blue first, and rehead's trunk takes red first: convert the network " +
			"with coremltools.ImageType(color_layout=coremltools.colorlayout.RGB)")
	}
	src, match, err := graphSource(m.Graph, onnxDialect{})
	if err != nil {
		return nil, err
	}
	src.what, src.rounded = "Core ML", m.Rounded
	if len(m.Labels) > 0 {
		src.labels, src.own = m.Labels, true
	}
	src.pooled(match, false)
	return src, nil
}
