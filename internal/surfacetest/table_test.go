package surfacetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bottleneck"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/inception/export"
	"github.com/c236555e/rehead/inception/registry"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/serve"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/matrix"
	"github.com/c236555e/rehead/train/metrics"
	"github.com/c236555e/rehead/train/report"
)

const module = "github.com/c236555e/rehead/"

// packages are those whose exported functions are called.
var packages = strings.Fields(`nn inception inception/convert inception/embedded inception/registry
	inception/export dataset dataset/source dataset/picture dataset/doctor dataset/bottleneck dataset/cache dataset/shards
	train train/head train/matrix train/metrics train/report serve`)

// table is every exported function and method of the packages, the methods as functions of their
// receiver.
func table() []any {
	return []any{
		nn.Devices, nn.Functions, nn.Kernels, nn.QuantizeFilter, nn.ParamData, nn.PassedOver, nn.Units, nn.Walk, nn.NewCalibrator,
		(*nn.Calibrator).Add, (*nn.Calibrator).Close, (*nn.Calibrator).Ranges, nn.Config.Validate, nn.Config.Probe, nn.Config.Arithmetic,
		nn.NewGraph,
		nn.NewBinaryHeadGraph, nn.NewHeadGraph, (*nn.HeadGraph).LossGrad, nn.NewMachine,
		(*nn.Machine).Close, (*nn.Machine).Run, nn.Apply, nn.Input, nn.Param, nn.OpOf,
		nn.ParsePrecision, nn.Precisions, nn.NewRegression, nn.ProbeRegression, nn.Compile, (*nn.Program).Batch, (*nn.Program).Close,
		(*nn.Program).Device, (*nn.Program).Kernel,
		(*nn.Program).Precision, (*nn.Program).Profile, (*nn.Program).Rounding, (*nn.Program).Run,
		(*nn.Program).Threads,
		(*nn.ShapeError).Error,
		inception.Build, inception.Calibrate, inception.CheckTarget, inception.DecodeModel,
		inception.DecodeWeights, inception.Layers, inception.ModelFromWeights, inception.NewClassifier,
		inception.NewTrunk, inception.NewWeights, inception.OpenModel, inception.ParseFlavor,
		inception.Random, inception.ReadWeights, inception.Resized, inception.TrunkFLOPs,
		inception.IsBackup, inception.NewDistance, (*inception.Distance).Of, (*inception.Unknown).Score,
		inception.Unit, inception.UnknownScore, (*inception.Classifier).Check,
		(*inception.Classifier).Classify, (*inception.Classifier).Close,
		(*inception.Classifier).Explain, (*inception.Classifier).Model, (*inception.Classifier).Record,
		(*inception.Classifier).Trunk, inception.EmbedConfig.Validate, (*inception.Explanation).Blend,
		(*inception.Explanation).Sample, inception.Flavors, inception.Flavor.CountBorder,
		inception.Flavor.MaxIn7c, inception.Flavor.Recipe, (*inception.Head).Logits,
		(*inception.Head).Validate, (*inception.Input).Decode, (*inception.Input).ReadHeader,
		(*inception.Model).AttachTrunk, (*inception.Model).CombineViews, (*inception.Model).Computing,
		(*inception.Model).IsTrunk, (*inception.Model).MultiLabel,
		(*inception.Model).Pack, (*inception.Model).Precision, (*inception.Model).Save,
		(*inception.Model).Threshold, (*inception.Model).Validate, (*inception.Trunk).Close,
		(*inception.Trunk).DecodersBeside, (*inception.Trunk).Embed, (*inception.Trunk).EmbedAll,
		(*inception.Trunk).Features, (*inception.Trunk).Program, (*inception.Trunk).Size,
		(*inception.Trunk).Weights, (*inception.Weights).Features, (*inception.Weights).Halved,
		(*inception.Weights).Narrowed, (*inception.Weights).Precision, (*inception.Weights).Quantized,
		(*inception.Weights).Write,
		inception.AllFeatures, inception.FeatureBlocks, inception.NewTrunkOf, inception.ParseFeatures,
		inception.Statistics, inception.LastCells, inception.LastMaximum, inception.LastMeanMaximum,
		(*inception.Features).Equal, (*inception.Features).Length,
		(*inception.Features).Foreign,
		(*inception.Features).Places, (*inception.Features).Spans, (*inception.Features).String,
		(*inception.Features).Validate, (*inception.Features).Values, (*inception.Model).MapSide,
		(*inception.Trunk).Reads, (*inception.Trunk).Classifier,
		inception.RecordSelfTest, (*inception.Weights).WithRecipe, inception.DigestPrefix,
		(*inception.Model).Digest, (*inception.Classifier).ClassifyAll,
		(*inception.Classifier).ClassifyImages, (*inception.Classifier).ClassifyEncoded, inception.Options.Validate,
		(*inception.Trunk).EmbedImages, (*inception.Trunk).EmbedEncoded, inception.Cosine, inception.NewModel,
		(*inception.Model).Answer, (*inception.Model).ValidateHead,
		(*inception.Head).Linear, (*inception.Head).Inputs, (*inception.Head).Parameters,
		(*inception.Head).Describe, (*inception.PictureDigests).Complete, (*inception.Weights).TrunkOnly,
		convert.Load, convert.OpenModel, convert.Describe, convert.InfoOf, convert.Convert,
		embedded.Bytes, embedded.Weights, embedded.Describe,
		registry.Find, registry.Official, registry.Entries, registry.Store.Describe,
		registry.Store.Lookup, registry.Store.Path, registry.Store.Pull, registry.Store.Pulls,
		registry.Store.Resolve, registry.Store.Verify,
		export.ONNX, export.ONNXFile, export.Write, export.WriteFile, export.Config.Validate,
		dataset.ReadCorrections, dataset.WriteCorrections, (*dataset.Folder).Corrected, (*doctor.Checkup).Unread,
		dataset.ReadClasses, dataset.Join, dataset.ReadManifest, dataset.Scan,
		(*dataset.Folder).AsMultiLabel, (*dataset.Folder).Counts, (*dataset.Folder).Folds,
		(*dataset.Folder).FoldsTogether, (*dataset.Folder).LabelText, (*dataset.Folder).Set,
		(*dataset.Folder).Split, (*dataset.Folder).SplitTogether, (*dataset.Folder).SplitUnique,
		dataset.Split.String, dataset.SplitConfig.Validate, dataset.SplitConfig.OfSum,
		(*dataset.Folder).Wanted, dataset.Open, dataset.OpenStore, dataset.ScanStore, dataset.FromPictures,
		source.FS, source.Opener, source.ListStore,
		source.Housekeeping, source.ArchiveKind, source.Kind, source.List, source.Open, source.Order[int],
		source.Read, source.File.Read,
		source.Disk.ReadDir, source.Disk.Stat, source.Disk.Open, (*source.Archive).Close, (*source.Archive).Open,
		(*source.Archive).ReadDir, (*source.Archive).Root, (*source.Archive).Stat, dataset.Item.File,
		source.Reason, source.SortProblems,
		source.Register, source.Scheme, source.Openable, source.Clean, source.Dir, source.Join, source.IsAbs,
		source.File.Digest, source.File.OpenRange, source.File.OpenAt, source.NewAhead, (*source.Ahead).Read, (*source.Ahead).Drop, (*source.Ahead).Close,
		source.Addresses.Open, source.Addresses.Openable,
		(*source.Archive).Sniff, train.EmbedFiles,
		source.NewWalker, (*source.Walker).Add, (*source.Walker).At, (*source.Walker).Sniff,
		(*source.Walker).AddPathless, (*source.Walker).Walk,
		picture.DecodedBytes, picture.MeanGrid, picture.Sniff, picture.Augment.CacheSum,
		picture.Augment.Validate, picture.Augment.View, (*picture.DecodeError).Error,
		(*picture.DecodeError).Unwrap, picture.ReadHeader, (*picture.Header).Decode, picture.Decode,
		picture.Limits.Bytes, picture.Limits.Pixels, picture.Recipe.Apply, picture.Recipe.Describe,
		picture.Recipe.Frame, picture.Recipe.Load, picture.Recipe.LoadFrom, picture.Recipe.Thumbnail,
		(*picture.Recipe).UnmarshalJSON, picture.Recipe.Validate, (*picture.TooLargeError).Error,
		(*picture.UnsupportedError).Error, (*picture.UnsupportedError).Is,
		picture.DecodeContext, picture.Largest, picture.Recipe.LoadContext, picture.Recipe.Decode,
		picture.Recipe.Levels,
		picture.Recipe.WithResize, picture.Resizes, picture.FixedView, picture.Recipe.LoadView, picture.Register,
		doctor.OpenCheckCache, (*doctor.CheckCache).Close, (*doctor.CheckCache).Len,
		(*doctor.CheckCache).Merge, (*doctor.CheckCache).Path, doctor.Check,
		(*doctor.Checkup).FirstNear, (*doctor.Checkup).RefineNear,
		doctor.Hopeless, (*doctor.Checkup).Err, (*doctor.Checkup).Of, (*doctor.Checkup).Refine, (*doctor.Checkup).Same,
		(*doctor.Checkup).Usable,
		bottleneck.Key.Differs, bottleneck.Key.Validate,
		cache.Open, (*cache.Bottlenecks).Close, (*cache.Bottlenecks).Damaged,
		(*cache.Bottlenecks).Get, (*cache.Bottlenecks).Has,
		(*cache.Bottlenecks).Len, (*cache.Bottlenecks).Merge, (*cache.Bottlenecks).Path,
		(*cache.Bottlenecks).Put, cache.OpenStore, (*cache.Store).Close, (*cache.Store).Damaged,
		(*cache.Store).Get, (*cache.Store).Len, (*cache.Store).Merge, (*cache.Store).Path,
		(*cache.Store).Put,
		shards.Find, shards.FindAt, shards.Open, shards.OpenSet, shards.NewWriter, shards.Key.Check, shards.Key.Validate,
		(*shards.Writer).Add, (*shards.Writer).Encode, (*shards.Writer).Len, (*shards.Writer).Reset,
		(*shards.Writer).Save, (*shards.Shard).Features, (*shards.Shard).Index, (*shards.Shard).Paths,
		(*shards.Set).Digest, (*shards.Set).Duplicates, (*shards.Set).Each, (*shards.Set).Paths, (*shards.Set).Shards,
		(*shards.Block).Len, (*shards.Block).Release, (*shards.Block).Sum,
		train.ParseFeatures, train.ShardKey, train.ShardSource, train.RunShards, train.ShardConfig.Validate, train.MergeCache, train.EmbedEach, train.EmbedChecked, train.Config.Validate,
		train.Config.FeaturesFor, train.Config.Probe,
		train.EmbedConfig.Validate,
		train.Embed, train.EvaluateConfig.Validate, train.Evaluate, (*train.Evaluation).Plots,
		(*train.Evaluation).Report, train.Run, (*train.Result).Finish, (*train.Result).Plots,
		(*train.Result).Report,
		head.DefaultL2, head.FitTemperature, head.FitThresholds, head.Logits, head.Config.Validate,
		head.Examples.Features, head.Examples.Validate, head.MiniBatch.Validate, head.Options.Validate,
		head.Fit, head.FitStream, head.StreamConfig.Validate, (*head.Solution).Finish,
		head.CrossValidate, (*metrics.Metrics).Gap, metrics.Part.MarshalJSON, (*metrics.Part).UnmarshalJSON,
		metrics.McNemar, metrics.Pair, metrics.Relative, metrics.Wilson, metrics.Metrics.MarshalJSON,
		(*metrics.Metrics).RequireAccuracy, (*metrics.Metrics).UnmarshalJSON,
		metrics.Predictions.Measure, metrics.Predictions.Reliability, metrics.Predictions.Curves,
		metrics.Predictions.AnswerCurve, metrics.Curve.Recall, metrics.Curve.FalsePositives, metrics.Curve.AveragePrecision,
		metrics.Curve.Thin, metrics.CurvePoint.Precision,
		report.Compare, report.Make, (*report.Page).HTML, (*report.Page).Encode, report.Decode, report.OfModel, report.Index,
		report.Plots, report.Plot.PNG,
		matrix.Fit, matrix.Open, matrix.ReadLabels, matrix.ReadNPY, matrix.Config.Validate, (*matrix.Classifier).Classify,
		(*matrix.Classifier).Head, (*matrix.Classifier).Labels, (*matrix.Classifier).Measure, (*matrix.Classifier).Model,
		(*matrix.Classifier).MultiLabel, (*matrix.Classifier).Probabilities, (*matrix.Classifier).Save,
		(*matrix.Classifier).Temperature,
		serve.Fingerprint, serve.Quiet, serve.Config.Validate, serve.New, (*serve.Server).Close,
		(*serve.Server).Handler, (*serve.Server).Drain, (*serve.Server).Install, (*serve.Server).Serve, (*serve.Server).Watch,
	}
}

// nameOf is a function's name as the table writes it, with the whole path of its package and
// without the types of a generic one.
func nameOf(f any) string {
	return strings.TrimSuffix(runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name(), "[...]")
}

// TestTableIsWhole holds the table against what the compiler knows of the packages.
func TestTableIsWhole(t *testing.T) {
	var have []string
	for _, f := range table() {
		have = append(have, nameOf(f))
	}
	want := exported(t)
	for _, name := range want {
		if !slices.Contains(have, name) {
			t.Errorf("%s is exported and has no row", name)
		}
	}
	for i, name := range have {
		if !slices.Contains(want, name) || slices.Contains(have[:i], name) {
			t.Errorf("%s has a row, and is not exported or has another", name)
		}
	}
}

// exported lists the packages' exported functions, and the exported methods of their exported
// types.
func exported(t *testing.T) (names []string) {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Export"}
	for _, p := range packages {
		args = append(args, module+p)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		files[p.ImportPath] = p.Export
	}
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(files[path])
	})
	for _, path := range packages {
		p, err := imports.Import(module + path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range p.Scope().Names() {
			switch o := p.Scope().Lookup(name).(type) {
			case *types.Func:
				if o.Exported() {
					names = append(names, p.Path()+"."+name)
				}
			case *types.TypeName:
				if named, ok := o.Type().(*types.Named); ok && o.Exported() && !o.IsAlias() && !types.IsInterface(named) {
					names = append(names, methods(p.Path(), name, named)...)
				}
			}
		}
	}
	return names
}

func methods(path, name string, named *types.Named) (names []string) {
	for m := range named.Methods() {
		receiver := name
		if _, pointer := m.Signature().Recv().Type().(*types.Pointer); pointer {
			receiver = "(*" + name + ")"
		}
		if m.Exported() && !(path == module+"nn" && strings.Contains(gorgonias, " "+m.Name()+" ")) {
			names = append(names, path+"."+receiver+"."+m.Name())
		}
	}
	return names
}

// gorgonias are the methods that make nn's operators Gorgonia's; only Gorgonia calls them, with
// what it has checked.
const gorgonias = " Arity Type InferShape Do ReturnsPtr CallsExtern OverwritesInput WriteHash Hashcode String " +
	"DiffWRT SymDiff DoDiff UsePreallocDo "
