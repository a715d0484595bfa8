package convert

import (
	"archive/zip"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/pt2"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/torchscript"
)

// The kinds of program in an archive of PyTorch's.
const (
	formatPT2    = "pt2"
	formatScript = "torchscript"
)

// programSource maps an archive that holds a program: of torch.export, or of TorchScript. It is nil
// for one that holds only weights.
func programSource(f *file, z *zip.Reader) (*source, error) {
	has, err := program(z)
	if err != nil || !has {
		return nil, err
	}
	a, err := pth.OpenArchive(f.data, f.size)
	if err != nil {
		return nil, err
	}
	var g *graph.Graph
	what := "torch.export"
	switch {
	case pt2.Is(a):
		f.format = formatPT2
		g, err = pt2.Read(a)
	default:
		f.format, what = formatScript, "TorchScript"
		var s *pth.Script
		if s, err = pth.ReadScript(a); err == nil {
			g, err = torchscript.Read(s)
		}
	}
	if err != nil {
		return nil, otherwise(err, f.format)
	}
	src, m, err := graphSource(g, onnxDialect{})
	if err != nil {
		return nil, otherwise(err, f.format)
	}
	src.what = what
	src.pooled(m, g.Notes == "timm")
	return src, nil
}
