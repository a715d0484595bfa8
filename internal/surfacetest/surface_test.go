package surfacetest

import (
	"context"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/nn"
)

// TestHostileValues calls every exported function with nil, negative, huge and non-finite values,
// in each place in turn, beside good ones: none panics, and no error is a panic's text. Handles
// that a constructor of the library made are good where they are receivers; no context is nil, and
// no receiver of a method that returns no error, as everywhere in Go.
func TestHostileValues(t *testing.T) {
	if raceEnabled && testing.Short() {
		t.Skip("ten times as slow and 6 GB under the race detector, which it tells nothing: run it without")
	}
	t.Chdir(t.TempDir())
	g := newGood(t)
	for _, f := range table() {
		name := strings.TrimPrefix(nameOf(f), module)
		t.Run(name, func(t *testing.T) {
			began, calls := time.Now(), 0
			g.fresh(t)
			for args := range g.calls(reflect.ValueOf(f), name) {
				if calls++; calls%max(slow(name), 1) != 0 {
					continue
				}
				g.call(t, reflect.ValueOf(f), name, args)
				if t.Failed() {
					break
				}
			}
			if d := time.Since(began); d > time.Second/2 {
				t.Logf("%d calls, %v", calls, d)
			}
		})
	}
}

// slow says of functions that take long that one of so many lists of arguments will do.
func slow(name string) int {
	return map[string]int{"dataset/doctor.Check": 17, "inception.Calibrate": 9, "inception.NewClassifier": 23,
		"inception.NewTrunk": 9, "inception.NewTrunkOf": 19, "inception.Random": 9, "inception.RecordSelfTest": 23, "inception.(*Model).Pack": 23,
		"inception.(*Model).Save": 23, "inception.(*Trunk).EmbedAll": 3, "inception.(*Weights).Halved": 9,
		"inception.(*Weights).Write": 9, "inception/export.ONNX": 23, "inception/export.ONNXFile": 23, "inception/export.Write": 23,
		"inception/export.WriteFile": 23, "serve.New": 23,
		"nn.Compile": 3, "nn.NewCalibrator": 3, "nn.NewMachine": 3, "train.(*Evaluation).Plots": 17,
		"train.(*Evaluation).Report": 17, "train.(*Result).Plots": 17, "train.(*Result).Report": 17, "train.Run": 101,
		"train/report.Make": 29, "train/report.OfModel": 5, "train/report.Plots": 29, "train/report.Plot.PNG": 5,
		"train.Embed": 17, "train.EmbedChecked": 47, "train.EmbedEach": 47,
		"train.EmbedFiles": 47, "train.Evaluate": 17, "serve.(*Server).Serve": 3,
		"serve.(*Server).Install": 3, "train.MergeCache": 3, "inception.(*Model).AttachTrunk": 5}[name]
}

// call calls f, whose error must be one for people.
func (g *good) call(t *testing.T, f reflect.Value, name string, args []reflect.Value) {
	t.Helper()
	if file := os.Getenv("SURFACE_TRACE"); file != "" { // a panic in another goroutine ends the program
		_ = os.WriteFile(file, []byte(name), 0o600)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: panic: %v\n%s", describe(args), p, trace())
		}
	}()
	var results []reflect.Value
	if f.Type().IsVariadic() {
		results = f.CallSlice(args)
	} else {
		results = f.Call(args)
	}
	for _, r := range results {
		if err, ok := r.Interface().(error); ok && err != nil && reflect.ValueOf(err).Kind() != reflect.Pointer ||
			ok && err != nil && !reflect.ValueOf(err).IsNil() {
			if text := err.Error(); strings.Contains(text, "runtime error") || strings.Contains(text, "goroutine ") {
				t.Errorf("%s: got the error of a panic: %s", describe(args), text)
			}
		}
	}
}

func describe(args []reflect.Value) string {
	var b strings.Builder
	for _, a := range args {
		text := fmt.Sprintf("%+v", a)
		if a.Kind() == reflect.Pointer && !a.IsNil() && a.Elem().Kind() == reflect.Struct {
			text = fmt.Sprintf("&%+v", a.Elem())
		}
		fmt.Fprintf(&b, " | %.90s", text)
	}
	return b.String()
}

// calls yields lists of arguments: all good, all zero, and each hostile value in its place among
// good ones and among zero ones.
func (g *good) calls(f reflect.Value, name string) func(yield func([]reflect.Value) bool) {
	t := f.Type()
	return func(yield func([]reflect.Value) bool) {
		list := func(of func(i int) reflect.Value) []reflect.Value {
			args := make([]reflect.Value, t.NumIn())
			for i := range args {
				args[i] = of(i)
			}
			return args
		}
		special := g.special(name)
		fine := func(i int) reflect.Value {
			if i < len(special) && special[i] != nil {
				return reflect.ValueOf(special[i])
			}
			return g.value(t.In(i))
		}
		hostile := func(i int) []reflect.Value {
			all := g.hostile(t.In(i), 0)
			switch receiver := i == 0 && strings.Contains(name, ")"); {
			case receiver && (opaque(t.In(0)) || t.In(0).Implements(reflect.TypeFor[error]())) || t.In(i) == contextType:
				return nil
			case receiver && !fails(t):
				return all[1:]
			}
			return all
		}
		if !yield(list(fine)) || t.NumIn() == 0 {
			return
		}
		for i := range t.NumIn() {
			for _, bad := range hostile(i) {
				args := list(fine)
				args[i] = bad
				if !yield(args) {
					return
				}
			}
		}
		// a few lists of any values
		dice := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			args := list(func(i int) reflect.Value {
				if all := hostile(i); len(all) > 0 && dice.IntN(3) > 0 {
					return all[dice.IntN(len(all))]
				}
				return fine(i)
			})
			if !yield(args) {
				return
			}
		}
	}
}

// fails says that a function returns an error.
func fails(t reflect.Type) bool {
	return t.NumOut() > 0 && t.Out(t.NumOut()-1) == reflect.TypeFor[error]()
}

var contextType = reflect.TypeFor[context.Context]()

// opaque says that a type is a pointer to what only its package fills in.
func opaque(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return false
	}
	for f := range t.Elem().Fields() {
		if f.IsExported() {
			return false
		}
	}
	return true
}

// hostile lists values of a type that nobody should give.
func (g *good) hostile(t reflect.Type, depth int) []reflect.Value {
	var list []reflect.Value
	add := func(v any) { list = append(list, reflect.ValueOf(v).Convert(t)) }
	list = append(list, reflect.Zero(t))
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		for _, v := range []int64{-1, 1, math.MinInt64, math.MaxInt64, 1 << 40, 1 << 31} {
			add(v)
		}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Uint:
		add(-1)
		add(7)
	case reflect.Float32, reflect.Float64:
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 1, 1e300, 1e-300} {
			add(v)
		}
	case reflect.String:
		for _, v := range []string{".", "..", "a\x00b", "\xff", strings.Repeat("x", 5000), "missing/file"} {
			add(v)
		}
	case reflect.Bool:
		add(true)
	case reflect.Slice:
		return g.hostileSlices(t, depth)
	case reflect.Map:
		m := reflect.MakeMap(t)
		m.SetMapIndex(reflect.Zero(t.Key()), reflect.Zero(t.Elem()))
		list = append(list, reflect.MakeMap(t), m)
	case reflect.Struct:
		list = append(list, g.fields(t, depth)...)
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Struct && !opaque(t) && !strings.Contains(t.Elem().PkgPath(), "gorgonia") {
			for _, v := range g.fields(t.Elem(), depth) {
				p := reflect.New(t.Elem())
				p.Elem().Set(v)
				list = append(list, p)
			}
			list = append(list, reflect.New(t.Elem()))
		}
	case reflect.Interface:
		for _, v := range []any{(*nn.Conv2D)(nil), &nn.Conv2D{}, &nn.MaxPool{Kernel: [2]int{-1, 1 << 40}},
			&nn.AvgPool{Kernel: [2]int{2, 2}}, &nn.BatchNorm{Eps: math.NaN()}, (*image.NRGBA)(nil),
			&image.NRGBA{Rect: image.Rect(0, 0, 9, 9)}, &image.YCbCr{Rect: image.Rect(-5, 3, 90, 80)}, &image.Gray{},
			image.NewNRGBA(image.Rect(-3, -3, 4, 4)), image.NewUniform(image.White.C)} {
			if reflect.TypeOf(v).Implements(t) && t.NumMethod() > 0 {
				list = append(list, reflect.ValueOf(v))
			}
		}
		if g.typedNil(t).IsValid() {
			list = append(list, g.typedNil(t))
		}
	case reflect.Func:
		list = append(list, nothing(t))
	}
	return list
}

// nothing is a function that returns zero values.
func nothing(t reflect.Type) reflect.Value {
	return reflect.MakeFunc(t, func([]reflect.Value) (out []reflect.Value) {
		for o := range t.Outs() {
			out = append(out, reflect.Zero(o))
		}
		return out
	})
}

func (g *good) hostileSlices(t reflect.Type, depth int) []reflect.Value {
	list := []reflect.Value{reflect.Zero(t), reflect.MakeSlice(t, 0, 0), reflect.MakeSlice(t, 1, 1),
		reflect.MakeSlice(t, 7, 7)}
	if depth > 3 {
		return list
	}
	fine := g.value(t)
	for _, e := range g.hostile(t.Elem(), depth+1) {
		one := reflect.MakeSlice(t, 1, 1)
		one.Index(0).Set(e)
		list = append(list, one)
		if n := fine.Len(); n > 1 { // as long as it should be, and wrong in one place
			all := reflect.MakeSlice(t, n, n)
			reflect.Copy(all, fine)
			all.Index(n / 2).Set(e)
			list = append(list, all)
		}
	}
	if n := fine.Len(); n > 1 {
		list = append(list, fine.Slice(0, n-1), reflect.Append(fine.Slice3(0, n, n), fine.Index(0)))
	}
	return list
}

// fields lists good structs with a hostile value in one of their fields, and in one of the fields
// of a struct in them.
func (g *good) fields(t reflect.Type, depth int) (list []reflect.Value) {
	if depth > 2 {
		return nil
	}
	base := g.value(t)
	for i := range t.NumField() {
		if !t.Field(i).IsExported() {
			continue
		}
		for _, bad := range g.hostile(t.Field(i).Type, depth+1) {
			v := reflect.New(t).Elem()
			v.Set(base)
			v.Field(i).Set(bad)
			list = append(list, v)
		}
	}
	return list
}

func live(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	time.AfterFunc(2*d, cancel)
	return ctx
}
