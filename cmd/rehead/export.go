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

func newExport(a *app) *cobra.Command {
	var (
		out, format, weights string
		opts                 inception.SaveOptions
		asJSON               bool
	)
	cmd := &cobra.Command{
		Use:   "export MODEL -o FILE.onnx|FILE.tar.gz",
		Short: "Write a model for other programs: ONNX, or SageMaker's model.tar.gz",
		Long: `export writes MODEL as one file, whole or not at all.

.onnx: from RGB pixels (0..255, [N,3,S,S], resized as the "recipe" in the file's metadata says) to "probabilities",
"logits" and "bottleneck"; ONNX Runtime, OpenVINO and TensorRT run it. Operator set 13, float32.
.tar.gz: the model folder packed flat, as SageMaker keeps models; every MODEL argument of rehead accepts it.`,
		Args: needArgs(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return usagef("export: want -o FILE.onnx or -o FILE.tar.gz")
			}
			kind, err := exportFormat(format, out)
			if err != nil {
				return err
			}
			if kind == "onnx" && (opts.NoTrunk || opts.DType != "f32") {
				return usagef("export: --no-trunk and --dtype are for .tar.gz; an ONNX file holds everything in float32")
			}
			if err := parentExists(out); err != nil {
				return err
			}
			m, err := openModel(args[0])
			if err != nil {
				return err
			}
			if m.Trunk == nil {
				if err := attachTrunk(m, weights, a.resolve); err != nil {
					return err
				}
			}
			if kind == "onnx" {
				err = export.ONNXFile(m, out)
			} else {
				err = m.Pack(out, opts)
			}
			if err != nil {
				return err
			}
			info, err := os.Stat(out)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, exported{out, kind, info.Size()})
			}
			a.say("%s: %s, %.1f MB", out, kind, float64(info.Size())/1e6)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the file to write")
	cmd.Flags().StringVar(&format, "format", "", "onnx or tar.gz (default: by the file's name)")
	cmd.Flags().StringVar(&weights, "weights", "", "the trunk, for a model that was saved without it: "+weightsHelp)
	cmd.Flags().StringVar(&opts.DType, "dtype", "f32", "of the trunk in a .tar.gz: f32 or f16")
	cmd.Flags().BoolVar(&opts.NoTrunk, "no-trunk", false, "leave the trunk out of a .tar.gz and keep its digest")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
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
