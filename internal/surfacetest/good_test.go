package surfacetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bottleneck"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/registry"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/serve"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/matrix"
	"github.com/c236555e/rehead/train/metrics"
	"github.com/c236555e/rehead/train/report"
)

// trace is where in the library a panic came from.
func trace() string {
	var ours []string
	for _, line := range strings.Split(string(debug.Stack()), "\n") {
		if strings.Contains(line, ".go:") && strings.Contains(line, "/") && !strings.Contains(line, "/src/") &&
			!strings.Contains(line, "surfacetest") {
			ours = append(ours, strings.TrimSpace(line))
		}
	}
	return strings.Join(ours[:min(len(ours), 3)], " < ")
}

// good makes good values: of each type one, made when it is first asked for and kept for one
// function, whose calls may close or change it.
type good struct {
	t       *testing.T
	dir     string
	folder  *dataset.Folder
	weights *inception.Weights
	picture []byte
	kept    map[reflect.Type]reflect.Value
}

const (
	side     = 75 // pixels, the network's smallest input
	examples = 6
)

func newGood(t *testing.T) *good {
	t.Helper()
	g := &good{t: t, dir: t.TempDir()}
	pictures := filepath.Join(g.dir, "pictures")
	g.must(draw.Folder(pictures, 3, examples, 1))
	g.folder = keep(g, dataset.Scan)(pictures, dataset.ScanConfig{})
	g.must(g.folder.Split(dataset.SplitConfig{Validation: 0.3, Test: 0.3}))
	g.weights = keep(g, func(c inception.RandomConfig, _ int) (*inception.Weights, error) { return inception.Random(c) })(
		inception.RandomConfig{Width: 0.05, Classes: 3, Size: side, Seed: 1}, 0)
	var b bytes.Buffer
	g.must(png.Encode(&b, draw.Picture(1, 1, 1)))
	g.picture = b.Bytes()
	return g
}

func keep[A, B, R any](g *good, f func(A, B) (R, error)) func(A, B) R {
	return func(a A, b B) R {
		g.t.Helper()
		r, err := f(a, b)
		g.must(err)
		return r
	}
}

func (g *good) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// fresh forgets what was kept.
func (g *good) fresh(t *testing.T) {
	g.t, g.kept = t, make(map[reflect.Type]reflect.Value)
	slog.SetDefault(slog.New(slog.DiscardHandler))
}

// value returns a good value of a type.
func (g *good) value(t reflect.Type) reflect.Value {
	if t == contextType {
		return reflect.ValueOf(live(20 * time.Second))
	}
	if v, ok := g.kept[t]; ok {
		return v
	}
	v := reflect.New(t).Elem()
	if made := g.make(t); made != nil {
		v.Set(reflect.ValueOf(made))
	} else {
		switch t.Kind() {
		case reflect.Int, reflect.Int64:
			v.SetInt(2)
		case reflect.Float64, reflect.Float32:
			v.SetFloat(0.5)
		case reflect.String:
			v.SetString("x")
		case reflect.Func:
			v.Set(nothing(t))
		case reflect.Pointer:
			if t.Elem().Kind() == reflect.Struct {
				v.Set(reflect.New(t.Elem()))
				v.Elem().Set(g.value(t.Elem()))
			}
		}
	}
	g.kept[t] = v
	return v
}

// of returns the good value of a type.
func of[T any](g *good) T { return g.value(reflect.TypeFor[T]()).Interface().(T) }

func (g *good) make(t reflect.Type) any {
	makers := []any{
		func() *inception.Weights { return g.weights },
		func() inception.Weights { return *g.weights },
		func() inception.RandomConfig { return inception.RandomConfig{Width: 0.05, Size: side} },
		func() *inception.Model { return g.model() },
		func() inception.Model { return *g.model() },
		func() inception.Head { return g.model().Head },
		func() picture.Recipe { return g.weights.Recipe },
		func() inception.Flavor { return g.weights.Flavor },
		func() inception.Unknown { return inception.Unknown{Threshold: 1, FalseReject: 0.01} },
		func() *inception.Trunk { return keep(g, inception.NewTrunk)(g.weights, nn.Config{}) },
		func() *inception.Classifier { return keep(g, inception.NewClassifier)(g.model(), nn.Config{}) },
		func() *inception.Explanation {
			x, err := of[*inception.Classifier](g).Explain(context.Background(), &inception.Input{Data: g.picture}, 2)
			g.must(err)
			return x
		},
		func() inception.Explanation { return *of[*inception.Explanation](g) },
		func() *inception.Map { return &of[*inception.Explanation](g).Maps[0] },
		func() inception.Map { return of[*inception.Explanation](g).Maps[0] },
		func() inception.Input { return inception.Input{Data: g.picture} },
		func() []*inception.Input { return []*inception.Input{{Data: g.picture}, {Data: g.picture}} },
		func() [][]byte { return [][]byte{g.picture} },
		func() []byte { return g.picture },
		func() *nn.Graph { return nn.NewGraph() },
		func() *inception.Net {
			net, err := inception.Build(nn.NewGraph(), g.weights, side, 1)
			g.must(err)
			return net
		},
		func() *nn.Node { return of[*inception.Net](g).Input },
		func() []*nn.Node { return []*nn.Node{of[*inception.Net](g).Bottleneck} },
		func() *nn.Program {
			net := of[*inception.Net](g)
			p, err := nn.Compile(nn.Config{}, net.Input, net.Bottleneck)
			g.must(err)
			return p
		},
		func() *nn.Calibrator {
			net := of[*inception.Net](g)
			c, err := nn.NewCalibrator(nn.Config{}, net.Input, net.Bottleneck)
			g.must(err)
			return c
		},
		func() *nn.Machine {
			graph := nn.NewGraph()
			in, err := nn.Input(graph, "in", 1, 2, 3, 3)
			g.must(err)
			out, err := nn.Apply(&nn.ReLU{}, in)
			g.must(err)
			m, err := nn.NewMachine(out)
			g.must(err)
			return m
		},
		func() *nn.HeadGraph {
			h, err := nn.NewHeadGraph(2, 2, 2)
			g.must(err)
			return h
		},
		func() nn.Op { return &nn.ReLU{} },
		func() []float32 { return make([]float32, 4) },
		func() []float64 { return []float64{0.1, 0.2, 0.3} },
		func() image.Image { return draw.Picture(1, 1, 1) },
		func() *image.NRGBA { return image.NewNRGBA(image.Rect(0, 0, 20, 20)) },
		func() *picture.Header {
			h, err := picture.ReadHeader(g.picture, picture.Limits{})
			g.must(err)
			return &h
		},
		func() *dataset.Folder { return g.labelled() },
		func() dataset.Folder { return *g.labelled() },
		func() []dataset.Item { return g.labelled().Items },
		func() *doctor.Checkup { return keep2(g, doctor.Check)(g.labelled(), doctor.Config{}) },
		func() doctor.Checkup { return *of[*doctor.Checkup](g) },
		func() *doctor.CheckCache {
			c, err := doctor.OpenCheckCache(g.t.TempDir())
			g.must(err)
			g.t.Cleanup(func() { _ = c.Close() })
			return c
		},
		func() bottleneck.Key {
			return bottleneck.Key{Trunk: g.weights.Digest, Recipe: g.weights.Recipe, Features: 4}
		},
		func() cache.Key { return cache.Key{Key: of[bottleneck.Key](g)} },
		func() cache.Format {
			return cache.Format{Name: "test", Magic: "REHEADXX", Version: 1, Suffix: ".test", Key: []byte("k"), Length: 4}
		},
		func() *cache.Bottlenecks {
			c := keep(g, cache.Open)(g.t.TempDir(), of[cache.Key](g))
			g.t.Cleanup(func() { _ = c.Close() })
			return c
		},
		func() *cache.Store {
			c := keep(g, cache.OpenStore)(g.t.TempDir(), of[cache.Format](g))
			g.t.Cleanup(func() { _ = c.Close() })
			return c
		},
		func() registry.Store { return registry.Store{Dir: g.t.TempDir()} },
		func() *source.Walker { return source.NewWalker(g.folder.Root, 100) },
		func() *train.Result { return g.run() },
		func() *train.Evaluation {
			v, err := train.Evaluate(context.Background(), g.run().Model, g.labelled(), train.EvaluateConfig{})
			g.must(err)
			return v
		},
		func() *head.Solution { return g.run().Fit },
		func() head.Examples { return g.training() },
		func() matrix.Data { return g.matrix() },
		func() [][]float32 { return g.matrix().Rows },
		func() *matrix.Classifier {
			r, err := matrix.Fit(context.Background(), g.matrix(), matrix.Config{})
			g.must(err)
			return r.Classifier
		},
		func() source.Store { return source.Disk{} },
		func() []dataset.Picture {
			open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(g.picture)), nil }
			return []dataset.Picture{{Name: "a", Label: "x", Open: open}, {Name: "b", Label: "y", Open: open}}
		},
		func() []image.Image { return []image.Image{draw.Picture(1, 1, 1)} },
		func() head.MiniBatch { return head.MiniBatch{Epochs: 2, Steps: 3} },
		func() head.Options { return head.Options{MaxIterations: 3} },
		func() *metrics.Metrics { return new(g.run().Metrics) },
		func() metrics.Metrics { return g.run().Metrics },
		func() metrics.Predictions { return g.reported().Predictions },
		func() *report.Input { return g.reported() },
		func() report.Input { return *g.reported() },
		func() report.Plot { return of[[]report.Plot](g)[0] },
		func() []report.Plot {
			plots, err := report.Plots(context.Background(), g.reported())
			g.must(err)
			return plots
		},
		func() *serve.Server {
			s, err := serve.New(of[*inception.Classifier](g), serve.Config{})
			g.must(err)
			return s
		},
		func() serve.Classifier { return of[*inception.Classifier](g) },
		func() serve.Config { return serve.Config{Logger: slog.New(slog.DiscardHandler)} },
		func() net.Listener {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			g.must(err)
			g.must(l.Close())
			return l
		},
		func() io.Writer { return io.Discard },
		func() io.ReaderAt { return bytes.NewReader(make([]byte, 100)) },
		func() error { return errors.New("an error") },
		func() os.FileInfo {
			info, err := os.Stat(g.dir)
			g.must(err)
			return info
		},
	}
	for _, m := range makers {
		if v := reflect.ValueOf(m); v.Type().Out(0) == t {
			return v.Call(nil)[0].Interface()
		}
	}
	return nil
}

func keep2[A, B, R any](g *good, f func(context.Context, A, B) (R, error)) func(A, B) R {
	return keep(g, func(a A, b B) (R, error) { return f(context.Background(), a, b) })
}

// typedNil is a nil of an interface's usual type.
func (g *good) typedNil(t reflect.Type) reflect.Value {
	if t == reflect.TypeFor[serve.Classifier]() {
		return reflect.ValueOf((*inception.Classifier)(nil))
	}
	return reflect.Value{}
}

func (g *good) model() *inception.Model {
	m, err := inception.ModelFromWeights(g.weights)
	g.must(err)
	return m
}

// labelled is the folder of pictures, whose items may be changed.
func (g *good) labelled() *dataset.Folder {
	f := *g.folder
	f.Items = slices.Clone(f.Items)
	return &f
}

func (g *good) run() *train.Result {
	if r, ok := g.kept[reflect.TypeFor[*train.Result]()]; ok {
		return r.Interface().(*train.Result)
	}
	r, err := train.Run(context.Background(), g.labelled(), g.weights,
		train.Config{Options: head.Options{L2: 0.1, Scaling: head.ScaleNone}})
	g.must(err)
	g.kept[reflect.TypeFor[*train.Result]()] = reflect.ValueOf(r)
	return r
}

// training is a set of examples with everything that one may have.
func (g *good) training() head.Examples {
	rng := rand.New(rand.NewPCG(4, 5))
	e := head.Examples{Classes: 3}
	for i := range 9 {
		row := make([]float32, 4)
		for j := range row {
			row[j] = float32(rng.NormFloat64() + float64(i%3*j))
		}
		e.Rows, e.Labels, e.Weights = append(e.Rows, row), append(e.Labels, i%3), append(e.Weights, 1)
	}
	return e
}

// matrix is training with labels that have names.
func (g *good) matrix() (d matrix.Data) {
	e := g.training()
	d.Rows = e.Rows
	for _, l := range e.Labels {
		d.Labels = append(d.Labels, string(rune('a'+l)))
	}
	return d
}

func (g *good) reported() *report.Input {
	e := g.training()
	fit, err := head.Fit(context.Background(), e, head.Config{})
	g.must(err)
	in := &report.Input{Root: "/data/set", Rows: e.Rows}
	for i, l := range e.Labels {
		rel := fmt.Sprintf("%c/%d.jpg", 'a'+l, i)
		in.Items = append(in.Items, dataset.Item{Path: filepath.Join(in.Root, rel), Rel: rel, Label: l,
			Split: dataset.Split(i % 3)})
		in.Sums = append(in.Sums, sha256.Sum256([]byte(rel)))
	}
	in.Labels, in.Temperature = []string{"a", "b", "c"}, 1.25
	in.Logits, err = head.Logits(context.Background(), fit.Head, in.Rows, 0)
	g.must(err)
	m, pictures := in.Measure()
	in.Metrics, in.Pictures = &m, pictures
	in.Learning = &report.Learning{Solution: fit, Losses: fit.Losses}
	in.Model = &inception.Model{Labels: in.Labels, Head: fit.Head, Temperature: 1.25, Recipe: inception.TF2015.Recipe(),
		Flavor: inception.TF2015, Width: 1}
	return in
}

// special is a function's good arguments that their types alone do not tell.
func (g *good) special(name string) []any {
	floats := func(n int) []float32 { return make([]float32, n) }
	pixels, features := 3*side*side, g.weights.Features()
	soon := live(10 * time.Millisecond)
	switch name {
	case "inception.(*Head).Logits":
		return []any{nil, floats(features), make([]float64, 3)}
	case "inception.(*Trunk).Embed":
		return []any{nil, nil, 1, floats(pixels), floats(features)}
	case "inception.Layers", "inception.TrunkFLOPs":
		return []any{0.05, side}
	case "inception.Build":
		return []any{nil, nil, side, 1}
	case "nn.(*Program).Run":
		return []any{nil, nil, 1, floats(pixels), [][]float32{floats(features)}}
	case "nn.(*Calibrator).Add":
		return []any{nil, nil, floats(pixels)}
	case "nn.(*Machine).Run":
		return []any{nil, map[string][]float32{"in": floats(18)}}
	case "nn.(*HeadGraph).LossGrad":
		return []any{nil, floats(4), floats(4), floats(2), floats(4), floats(2), floats(4), floats(2)}
	case "nn.Apply":
		return []any{nil, []*nn.Node{of[*nn.Node](g)}}
	case "nn.Compile", "nn.NewCalibrator":
		return []any{nn.Config{}, of[*nn.Node](g), of[[]*nn.Node](g)}
	case "nn.(*Program).Profile":
		return []any{nil, soon, 1, floats(pixels)}
	case "inception.Calibrate", "train.EmbedEach", "train.EmbedFiles":
		return []any{soon}
	case "serve.(*Server).Serve", "serve.(*Server).Watch", "inception.(*Trunk).EmbedAll", "inception.(*Classifier).ClassifyAll":
		return []any{nil, soon}
	}
	return nil
}
