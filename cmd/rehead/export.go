package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/export"
	"github.com/c236555e/rehead/nn"
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
	names, calibrate     string
	precision            engineFlags
	trunkOnly            bool
	save                 inception.SaveOptions
	asJSON               bool
}

func newExport(a *app) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export MODEL -o FILE.onnx|.keras|.tflite|.safetensors|.tar.gz",
		Short: "Write a model for other programs, or as SageMaker's model.tar.gz",
		Long: `Writes MODEL as one file, whole or not at all.

.onnx: from RGB pixels (0..255, [N,3,S,S], resized as the "recipe" in the file's
metadata says) to "probabilities", "logits" and "bottleneck"; ONNX Runtime,
OpenVINO, OpenCV and TensorRT run it. Operator set 13, float32; a model that
computes with int8 is written with QuantizeLinear and DequantizeLinear, which
ONNX Runtime runs in integers. "--precision int8 --calibrate DIR" makes such a
file of a float32 model, with the ranges of pictures below DIR.

.keras, .tflite: from RGB pixels (0..255, [N,S,S,3]) to the probabilities, for
Keras 3 and TensorFlow Lite, float32.

.safetensors: weights alone, under the names of torchvision's inception_v3
(--names torchvision: load_state_dict) or of keras.applications.InceptionV3
(--names keras: each variable by its path). The network there must compute what
this one does, and has one dense layer; what it cannot hold is refused.

.tar.gz: the model folder packed flat, as SageMaker keeps models; every MODEL
argument of rehead accepts it.`,
		Example: `  rehead export model -o model.onnx
  rehead export model -o model.onnx --precision int8 --calibrate photos
  rehead export model -o model.keras
  rehead export model -o trunk.safetensors --names torchvision --trunk-only
  rehead export model -o model.tar.gz --dtype f16`,
		Args: needArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := a.export(cmd.Context(), args[0], &o)
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
	f.StringVar(&o.format, "format", "", "onnx, keras, tflite, safetensors or tar.gz (default: by the file's name)")
	f.StringVar(&o.weights, "weights", "", "the trunk, for a model that was saved without it: "+weightsHelp)
	f.StringVar(&o.names, "names", "", "of the tensors in a .safetensors: torchvision or keras")
	f.BoolVar(&o.trunkOnly, "trunk-only", false, "leave out the head: the file ends in the bottleneck")
	f.StringVar(&o.precision.precision, "precision", "", "of an .onnx: float32 or int8 (default: the model's)")
	f.StringVar(&o.calibrate, "calibrate", "",
		"pictures that the ranges of --precision int8 are taken from: a folder, archive or list")
	f.StringVar(&o.save.DType, "dtype", "f32", "of the trunk in a .tar.gz: f32 or f16")
	f.BoolVar(&o.save.NoTrunk, "no-trunk", false, "leave the trunk out of a .tar.gz and keep its digest")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

// tarball is the format that is no other program's.
const tarball = "tar.gz"

// check refuses flags that do not go together, by their names.
func (o *exportOptions) check(kind string) error {
	if o.out == "" {
		return usagef("export: want -o FILE.onnx, .keras, .tflite, .safetensors or .tar.gz")
	}
	asked, err := o.precision.asked()
	switch {
	case err != nil:
		return err
	case asked == nn.BFloat16:
		return usagef("export: --precision: got bfloat16, want float32 or int8: whoever runs the file narrows it")
	case kind != tarball && (o.save.NoTrunk || o.save.DType != "f32"):
		return usagef("export: --no-trunk and --dtype are for .tar.gz; other files hold everything in float32")
	case kind == tarball && o.trunkOnly:
		return usagef("export: --trunk-only is not for .tar.gz, which holds whole models")
	case kind != string(export.FormatONNX) && o.precision.precision != "":
		return usagef("export: --precision is for .onnx")
	case o.calibrate != "" && asked != nn.Int8:
		return usagef("export: --calibrate is for --precision int8")
	case (kind == string(export.FormatSafetensors)) != (o.names != ""):
		return usagef("export: a .safetensors wants --names torchvision or --names keras, and only that has names")
	}
	return nil
}

func (a *app) export(ctx context.Context, model string, o *exportOptions) (_ *exported, err error) {
	kind, err := exportFormat(o.format, o.out)
	if err == nil {
		err = o.check(kind)
	}
	config := export.Config{Format: export.Format(kind), Names: export.Names(o.names), TrunkOnly: o.trunkOnly}
	if err == nil && kind != tarball {
		if bad := config.Validate(); bad != nil {
			err = usagef("%w", bad)
		}
	}
	if err != nil {
		return nil, err
	}
	out, err := a.outsideOf(o.out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	m, err := a.openModel(model)
	if err != nil {
		return nil, err
	}
	if m.Trunk == nil {
		if err := attachTrunk(m, o.weights, a.resolve); err != nil {
			return nil, err
		}
	}
	if m, err = a.inPrecision(ctx, m, model, o); err != nil {
		return nil, err
	}
	if kind == tarball {
		err = m.Pack(out.local, o.save)
	} else {
		err = export.WriteFile(m, out.local, config)
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(out.local)
	if err != nil {
		return nil, err
	}
	if err := out.commit(ctx, ""); err != nil {
		return nil, err
	}
	return &exported{o.out, kind, info.Size()}, nil
}

// inPrecision is the model in the precision that is asked for.
func (a *app) inPrecision(ctx context.Context, m *inception.Model, path string, o *exportOptions) (*inception.Model,
	error) {
	want := nn.Precision(o.precision.precision)
	switch {
	case want == "" || want == m.Precision() && o.calibrate == "":
		return m, nil
	case m.Precision() == nn.Int8:
		return nil, fmt.Errorf("%s was trained on bottlenecks of %s, and keeps the ranges of that: leave --precision and "+
			"--calibrate out", path, m.Precision())
	case m.Trunk == nil:
		return nil, fmt.Errorf("%s has no trunk to calibrate: give it with --weights", path)
	case o.calibrate == "":
		return nil, usagef("export: --precision int8 of a model of float32 wants pictures to take its ranges from: say " +
			"--calibrate DIR, or train with --precision int8")
	}
	files, problems, err := a.listPictures(ctx, []string{o.calibrate})
	if err != nil {
		return nil, err
	}
	a.printProblems(problems)
	chosen := spread(files, inception.CalibrationPictures)
	w, err := o.precision.calibrateOn(ctx, m.Trunk, nn.Config{}, len(chosen),
		func(i int) source.File { return chosen[i] }, picture.Limits{})
	if err != nil {
		return nil, err
	}
	other := *m
	other.Trunk, other.Ranges, other.TrunkDigest = w, w.Ranges, w.Digest
	other.SelfTest, other.Neighbours = nil, nil
	return &other, nil
}

// spread takes n of the files, evenly: those of a folder of labels come label by label.
func spread(files []source.File, n int) []source.File {
	if len(files) <= n {
		return files
	}
	out := make([]source.File, n)
	for i := range out {
		out[i] = files[i*len(files)/n]
	}
	return out
}

// exportFormat is the format asked for, or the one of the file's name.
func exportFormat(format, out string) (string, error) {
	formats := []string{string(export.FormatONNX), string(export.FormatKeras), string(export.FormatTFLite),
		string(export.FormatSafetensors), tarball}
	name := strings.ToLower(out)
	if format == "" && strings.HasSuffix(name, ".tgz") {
		return tarball, nil
	}
	for _, f := range formats {
		if format == f || format == "" && strings.HasSuffix(name, "."+f) {
			return f, nil
		}
	}
	list := strings.Join(formats, ", ")
	if format == "" {
		return "", usagef("export: %s ends in none of .%s: rename it, or say --format", out,
			strings.ReplaceAll(list, ", ", ", ."))
	}
	return "", usagef("--format: got %q, want one of %s", format, list)
}
