package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/export"
)

// exported is what `export --json` prints.
type exported struct {
	Path   string `json:"path"`
	Format string `json:"format"`
	Bytes  int64  `json:"bytes"`
}

// exportOptions is the command line of `export`.
type exportOptions struct {
	out, format, weights string
	save                 inception.SaveOptions
	asJSON               bool
}

func newExport(a *app) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export MODEL -o FILE.onnx|FILE.tar.gz",
		Short: "Write a model as ONNX, or as SageMaker's model.tar.gz",
		Long: `Writes MODEL as one file, whole or not at all.

.onnx: from RGB pixels (0..255, [N,3,S,S], resized as the "recipe" in the file's
metadata says) to "probabilities", "logits" and "bottleneck"; ONNX Runtime,
OpenVINO and TensorRT run it. Operator set 13, float32.

.tar.gz: the model folder packed flat, as SageMaker keeps models; every MODEL
argument of rehead accepts it.`,
		Example: `  rehead export model -o model.onnx
  rehead export model -o model.tar.gz --dtype f16`,
		Args: needArgs(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			done, err := a.export(args[0], &o)
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(a.stdout, done)
			}
			a.say("%s: %s, %.1f MB", done.Path, done.Format, float64(done.Bytes)/1e6)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "the file to write")
	f.StringVar(&o.format, "format", "", "onnx or tar.gz (default: by the file's name)")
	f.StringVar(&o.weights, "weights", "", "the trunk, for a model that was saved without it: "+weightsHelp)
	f.StringVar(&o.save.DType, "dtype", "f32", "of the trunk in a .tar.gz: f32 or f16")
	f.BoolVar(&o.save.NoTrunk, "no-trunk", false, "leave the trunk out of a .tar.gz and keep its digest")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) export(model string, o *exportOptions) (*exported, error) {
	if o.out == "" {
		return nil, usagef("export: want -o FILE.onnx or -o FILE.tar.gz")
	}
	kind, err := exportFormat(o.format, o.out)
	if err != nil {
		return nil, err
	}
	if kind == "onnx" && (o.save.NoTrunk || o.save.DType != "f32") {
		return nil, usagef("export: --no-trunk and --dtype are for .tar.gz; an ONNX file holds everything in float32")
	}
	if err := parentExists(o.out); err != nil {
		return nil, err
	}
	m, err := openModel(model)
	if err != nil {
		return nil, err
	}
	if m.Trunk == nil {
		if err := attachTrunk(m, o.weights, a.resolve); err != nil {
			return nil, err
		}
	}
	if kind == "onnx" {
		err = export.ONNXFile(m, o.out)
	} else {
		err = m.Pack(o.out, o.save)
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(o.out)
	if err != nil {
		return nil, err
	}
	return &exported{o.out, kind, info.Size()}, nil
}

// exportFormat is the format asked for, or the one of the file's name.
func exportFormat(format, out string) (string, error) {
	switch {
	case format == "onnx" || format == "" && strings.HasSuffix(strings.ToLower(out), ".onnx"):
		return "onnx", nil
	case format == "tar.gz" || format == "" && (strings.HasSuffix(out, ".tar.gz") || strings.HasSuffix(out, ".tgz")):
		return "tar.gz", nil
	case format == "":
		return "", usagef("export: %s ends in neither .onnx nor .tar.gz: rename it, or say --format "+
			"onnx or --format tar.gz", out)
	}
	return "", usagef("--format: got %q, want onnx or tar.gz", format)
}
