package inception

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn"
)

// TestExplainIsExact: an explanation's answer is that of Classify to the last bit, and its maps'
// means plus biases are the logits, for every class.
func TestExplainIsExact(t *testing.T) {
	for name, size := range map[string]int{"one cell": 75, "uneven": 171} {
		t.Run(name, func(t *testing.T) {
			w, err := Random(RandomConfig{Width: 0.125, Seed: 3, Classes: 5, Size: size})
			if err != nil {
				t.Fatal(err)
			}
			m, err := ModelFromWeights(w)
			if err != nil {
				t.Fatal(err)
			}
			m.Temperature = 1.5
			c, err := NewClassifier(m, nn.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			data := sketch(t, 1, 4)
			want, err := c.Classify(t.Context(), &Input{Data: data})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Explain(t.Context(), &Input{Data: data}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Predictions, want[0].Predictions) ||
				!reflect.DeepEqual(got.Bottleneck, want[0].Bottleneck) || got.Info != want[0].Info {
				t.Error("the answer is not that of Classify")
			}
			if len(got.Maps) != 5 {
				t.Fatalf("got %d maps, want one for each of 5 classes", len(got.Maps))
			}
			logits := make([]float64, 5)
			_ = m.Head.Logits(want[0].Bottleneck, logits)
			for i, x := range got.Maps {
				if x.Label != got.Predictions[i].Label || x.Probability != got.Predictions[i].Probability {
					t.Errorf("map %d is of %q, want %q", i, x.Label, got.Predictions[i].Label)
				}
				checkMean(t, x)
			}
			for _, z := range logits {
				if !containsLogit(got.Maps, z) {
					t.Errorf("no map has the logit %g", z)
				}
			}
			if two, err := c.Explain(t.Context(), &Input{Data: data}, 2); err != nil ||
				!reflect.DeepEqual(two.Maps, got.Maps[:2]) {
				t.Errorf("the best two: got %+v, %v", two, err)
			}
		})
	}
}

// checkMean: the mean of a map's cells plus the bias is the logit, but for float32 cells, and a
// float32 mean in the bottleneck.
func checkMean(t *testing.T, x Map) {
	t.Helper()
	sum, n, size := 0.0, 0, 0.0
	for _, row := range x.Cells {
		for _, v := range row {
			sum, size = sum+float64(v), size+math.Abs(float64(v))
			n++
		}
	}
	if d := sum/float64(n) + x.Bias - x.Logit; !(math.Abs(d) <= 1e-5*(size/float64(n)+1)) {
		t.Errorf("%s: mean %g + bias %g is off from the logit %g by %g", x.Label, sum/float64(n), x.Bias, x.Logit, d)
	}
}

func containsLogit(maps []Map, z float64) bool {
	for _, m := range maps {
		if m.Logit == z {
			return true
		}
	}
	return false
}

func TestExplainRefuses(t *testing.T) {
	c, err := NewClassifier(small(t), nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Explain(t.Context(), &Input{Data: []byte("no picture")}, 1); !errors.Is(err, picture.ErrUnsupported) {
		t.Errorf("no picture: got %v", err)
	}
	if _, err := c.Explain(t.Context(), &Input{Pixels: make([]float32, 7), Info: picture.Info{Width: 1, Height: 1}},
		1); err == nil {
		t.Error("7 values were taken for a picture")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Explain(ended, &Input{Data: sketch(t, 0, 0)}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Explain(t.Context(), &Input{Data: sketch(t, 0, 0)}, 1); err == nil ||
		!strings.Contains(err.Error(), "closed") {
		t.Errorf("closed: got %v", err)
	}
}

// TestFieldCentres: at 299 pixels the 8 cells are centred symmetrically, 32 pixels apart, on every
// branch.
func TestFieldCentres(t *testing.T) {
	first, step := fieldCentres(lastBlock())
	if step != 32 || first+3.5*step != 299.0/2 {
		t.Errorf("got the first of 8 centres at %g and %g between them, want them around %g, 32 apart", first, step, 299.0/2)
	}
	// Every branch of a block comes to the same.
	type shift struct{ offset, step float64 }
	byBlock := map[string]shift{}
	for _, r := range table() {
		s := shift{0, 1}
		for _, st := range r.steps {
			if st.kind == forked {
				st = st.fork[0]
			}
			for axis := range 2 {
				if axis == 0 {
					s.offset += s.step * (float64(st.kernel[0]-1)/2 - float64(st.pad[0]))
				} else if other := float64(st.kernel[1]-1)/2 - float64(st.pad[1]); other != float64(st.kernel[0]-1)/2-float64(
					st.pad[0]) {
					t.Errorf("%s: rows and columns move differently", r.block)
				}
			}
			s.step *= float64(st.stride)
		}
		if want, ok := byBlock[r.block]; ok && s != want {
			t.Errorf("%s: a branch moves by %v, another by %v", r.block, s, want)
		}
		byBlock[r.block] = s
	}
}

// TestExplainGrid: the cells lie on the picture where the recipe looked, also when it cuts the
// middle out of a wide picture that is stored on its side, and Sample and Blend follow them.
func TestExplainGrid(t *testing.T) {
	squash := picture.Recipe{Size: 299, Orient: true, Geometry: picture.Squash, Filter: picture.Bilinear,
		Std: [3]float32{1, 1, 1}}
	g := newGrid(squash.Frame(picture.Info{Width: 598, Height: 299, Orientation: 1}), 299, lastBlock())
	if g.Width != 598 || g.Height != 299 || g.StepX != 64 || g.StepY != 32 || g.Seen != [4]float64{0, 0, 598, 299} {
		t.Errorf("squashed: %+v", g)
	}
	crop := picture.Recipe{Size: 299, Resize: 299, Orient: true, Geometry: picture.Crop, Filter: picture.Bilinear,
		Std: [3]float32{1, 1, 1}}
	g = newGrid(crop.Frame(picture.Info{Width: 299, Height: 899, Orientation: 8}), 299, lastBlock()) // stored on its side
	if g.Width != 899 || g.Height != 299 || g.StepX != 32 || g.StepY != 32 || g.Seen != [4]float64{300, 0, 599, 299} ||
		g.X+3.5*g.StepX != 449.5 {
		t.Errorf("cut: %+v", g)
	}
	x := &Explanation{Grid: g}
	cells := make([][]float32, 8)
	for i := range cells {
		cells[i] = make([]float32, 8)
	}
	cells[2][6] = 5
	m := &Map{Cells: cells}
	full := x.Sample(m, 899, 299)
	if len(full) != 299 || len(full[0]) != 899 {
		t.Fatalf("got %dx%d", len(full), len(full[0]))
	}
	py, px := int(g.Y+2*g.StepY), int(g.X+6*g.StepX)
	if v := full[py][px]; !(math.Abs(float64(v)-5) <= 0.2) {
		t.Errorf("at the cell's centre the map is %g, want about 5", v)
	}
	if v := full[py][px+16]; !(math.Abs(float64(v)-2.5) <= 0.2) {
		t.Errorf("half-way to the next cell the map is %g, want about 2.5", v)
	}
	if full[py][299] != 0 || full[py][600] != 0 || full[py+40][px] != 0 {
		t.Error("the map is not 0 where nothing was seen, or beside the cell")
	}
	small := x.Sample(m, 90, 30)
	if v := small[py/10][px/10]; !(v > 3.5) {
		t.Errorf("on a small copy the map is %g at the cell's centre", v)
	}
	x.Maps = []Map{*m}
	img := image.NewNRGBA(image.Rect(0, 0, 90, 30))
	for i := range img.Pix {
		img.Pix[i] = 100 + 155*uint8(i%4/3)
	}
	x.Blend(img, m)
	if hot, cold := img.NRGBAAt(px/10, py/10), img.NRGBAAt(5, 5); hot.R < 200 ||
		cold != (color.NRGBA{100, 100, 100, 255}) {
		t.Errorf("blended: %v at the cell, %v far away", hot, cold)
	}
}

// withNeighbours gives a model three training pictures.
func withNeighbours(t testing.TB, m *Model) *Model {
	t.Helper()
	var thumb bytes.Buffer
	if err := jpeg.Encode(&thumb, image.NewGray(image.Rect(0, 0, 4, 3)), nil); err != nil {
		t.Fatal(err)
	}
	f := m.Head.Features
	m.Neighbours = &Neighbours{Vectors: make([]float32, 3*f), Pictures: []TrainingPicture{
		{"daisy/a.jpg", m.Labels[0], thumb.Bytes()}, {"daisy/<b>.jpg", m.Labels[0], nil},
		{"日本/c.png", m.Labels[2], thumb.Bytes()},
	}}
	for i := range 3 {
		row := make([]float32, f)
		for k := range row {
			row[k] = float32((k*(i+3))%7) + 0.1
		}
		_ = Unit(m.Neighbours.Vectors[i*f:(i+1)*f], row)
	}
	return m
}

// TestNeighboursAreKept: saved and opened they are the same, and the same model saves to the same
// bytes.
func TestNeighboursAreKept(t *testing.T) {
	m := withNeighbours(t, small(t))
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{})
	again := mustOpen(t, dir)
	if !reflect.DeepEqual(again.Neighbours.Vectors, m.Neighbours.Vectors) {
		t.Error("the vectors have changed")
	}
	for i, p := range again.Neighbours.Pictures {
		if want := m.Neighbours.Pictures[i]; p.Path != want.Path || p.Label != want.Label ||
			!bytes.Equal(p.Thumbnail, want.Thumbnail) {
			t.Errorf("picture %d: got %+v, want %+v", i, p, want)
		}
	}
	other := filepath.Join(t.TempDir(), "m")
	mustSave(t, again, other, SaveOptions{})
	if !reflect.DeepEqual(contents(t, dir), contents(t, other)) {
		t.Error("saved again, the files differ")
	}
	again.Neighbours = nil // the file goes with them
	mustSave(t, again, dir, SaveOptions{})
	if _, err := os.Stat(filepath.Join(dir, neighboursFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", neighboursFile, err)
	}
}

// TestNearest: a bottleneck's own picture is the nearest, at any length; ranks fall.
func TestNearest(t *testing.T) {
	m := withNeighbours(t, small(t))
	f := m.Head.Features
	for i := range 3 {
		query := make([]float32, f)
		for k := range query {
			query[k] = 40 * (float32((k*(i+3))%7) + 0.1)
		}
		got := m.Neighbours.nearest(query, 2)
		if len(got) != 2 || got[0].Path != m.Neighbours.Pictures[i].Path || !(math.Abs(got[0].Similarity-1) <= 1e-3) ||
			got[1].Similarity > got[0].Similarity {
			t.Errorf("query %d: got %+v", i, got)
		}
	}
	if got := m.Neighbours.nearest(make([]float32, f), 9); len(got) != 3 || got[0].Similarity != 0 {
		t.Errorf("a bottleneck of zeros: got %+v", got)
	}
	if got := (*Neighbours)(nil).nearest(make([]float32, f), 3); got != nil {
		t.Errorf("no neighbours: got %+v", got)
	}
}

func TestNeighboursAreChecked(t *testing.T) {
	cases := map[string]func(m *Model){
		"values":     func(m *Model) { m.Neighbours.Vectors = m.Neighbours.Vectors[1:] },
		"0 pictures": func(m *Model) { *m.Neighbours = Neighbours{} },
		"not finite": func(m *Model) { m.Neighbours.Vectors[5] = float32(math.NaN()) },
		"label":      func(m *Model) { m.Neighbours.Pictures[1].Label = "another" },
		"no path":    func(m *Model) { m.Neighbours.Pictures[1].Path = "" },
		"not a JPEG": func(m *Model) { m.Neighbours.Pictures[1].Thumbnail = []byte("<svg>") },
		"at most":    func(m *Model) { m.Neighbours.Pictures[1].Thumbnail = make([]byte, maxThumbnail+1) },
	}
	base := small(t)
	for want, spoil := range cases {
		m := *base
		withNeighbours(t, &m)
		spoil(&m)
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "neighbours") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// TestNeighboursFileIsChecked: each way in which the file can be wrong is an error that names it.
func TestNeighboursFileIsChecked(t *testing.T) {
	m := withNeighbours(t, small(t))
	good := func() []safetensors.Tensor {
		return []safetensors.Tensor{
			{Name: "vectors", DType: safetensors.F16, Shape: []int{1, m.Head.Features},
				Values: make([]float32, m.Head.Features)},
			{Name: "pictures", DType: safetensors.U8, Data: []byte(`[{"path":"a","label":"C++","bytes":2}]`)},
			{Name: "thumbnails", DType: safetensors.U8, Data: []byte("xy")},
		}
	}
	cases := map[string]struct {
		spoil func(l []safetensors.Tensor)
		want  string
	}{
		"good":          {func([]safetensors.Tensor) {}, ""},
		"list":          {func(l []safetensors.Tensor) { l[1].Data = []byte(`{}`) }, "not a list"},
		"unknown key":   {func(l []safetensors.Tensor) { l[1].Data = []byte(`[{"url":"a"}]`) }, "not a list"},
		"negative":      {func(l []safetensors.Tensor) { l[1].Data = []byte(`[{"path":"a","label":"C++","bytes":-1}]`) }, "length"},
		"beyond":        {func(l []safetensors.Tensor) { l[1].Data = []byte(`[{"path":"a","label":"C++","bytes":3}]`) }, "length"},
		"left over":     {func(l []safetensors.Tensor) { l[2].Data = []byte("xyz") }, "more bytes"},
		"type":          {func(l []safetensors.Tensor) { l[0].DType = safetensors.F32 }, "F16"},
		"another name":  {func(l []safetensors.Tensor) { l[1].Name = "list" }, "missing"},
		"more pictures": {func(l []safetensors.Tensor) { l[1].Data = []byte(`[{"bytes":1},{"bytes":1}]`) }, "F16 [2"},
	}
	for name, c := range cases {
		list := good()
		c.spoil(list)
		for i := range list {
			if list[i].Data != nil {
				list[i].Shape = []int{len(list[i].Data)}
			}
		}
		var b bytes.Buffer
		if err := safetensors.Write(&b, map[string]string{"format": neighboursFormat}, list); err != nil {
			t.Fatal(err)
		}
		err := new(Model{Head: m.Head}).takeNeighbours("n.safetensors", b.Bytes())
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "n.safetensors") {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}
