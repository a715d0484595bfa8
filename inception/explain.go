package inception

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/c236555e/rehead/dataset/picture"
)

// Explanation says what a classifier saw in one picture. Its result is that of Classify, bit for
// bit.
type Explanation struct {
	Result              // without Err
	Grid    Grid        // where the cells of the maps lie on the picture
	Maps    []Map       // of the most probable labels, in their order
	Nearest []Neighbour // the most similar training pictures, when the model keeps some; the nearest first
	// the nearest is less like the picture than nearly every kept training picture is like another: it
	// may be of nothing that the model knows
	Unlike bool
}

// Map is the class activation map of one label (Zhou et al., "Learning Deep Features for
// Discriminative Localization", 2016). With a linear head on averages it is exact: the mean of all
// cells plus Bias is Logit. Of a head that reads several blocks it is the sum of their maps, each
// brought to the grid of the finest so that its mean stays. Where the head is not linear, the
// gradient of the logit at this picture stands for the weights, and Bias is what is left of the
// logit (Selvaraju et al., "Grad-CAM", 2017, without its ReLU): exact for small changes only. So
// does, for a deviation that a linear head reads, its gradient: the sum is still the logit then.
type Map struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
	Logit       float64 `json:"logit"`              // before the temperature
	Bias        float64 `json:"bias"`               // the head's, for this label
	Gradient    bool    `json:"gradient,omitempty"` // the logit is not linear in the blocks, see [Map]
	// [h][w]: what speaks for the label here, or against it if negative
	Cells [][]float32 `json:"cells"`
}

// Grid places the cells of a map on the picture as the recipe sees it (upright, if the recipe says
// so): cell [i][j] is centred at (X+j*StepX, Y+i*StepY), in pixels of the picture. Of what lies
// outside Seen the network saw nothing.
type Grid struct {
	Width  int        `json:"width"` // of the picture, in pixels
	Height int        `json:"height"`
	X      float64    `json:"x"`
	Y      float64    `json:"y"`
	StepX  float64    `json:"step_x"`
	StepY  float64    `json:"step_y"`
	Seen   [4]float64 `json:"seen"` // left, top, right, bottom edge of what the network saw, in pixels
}

// fieldCentres walks the table and returns where the receptive fields of a block's cells are
// centred on the input: the first at first pixels from the edge, each further one step pixels on.
// The branches of a block agree.
func fieldCentres(of string) (first, step float64) {
	first, step = 0.5, 1
	block := ""
	for _, r := range table() {
		if r.block == block {
			continue
		}
		if block == of {
			break
		}
		block = r.block
		for _, s := range r.steps {
			if s.kind == forked { // padded, and of stride 1
				continue
			}
			first += step * (float64(s.kernel[0]-1)/2 - float64(s.pad[0]))
			step *= float64(s.stride)
		}
	}
	return first, step
}

// newGrid places the cells of a block on a picture that the network sees with a side of size pixels.
func newGrid(v picture.Frame, size int, block string) Grid {
	first, step := fieldCentres(block)
	return Grid{
		Width: v.Width, Height: v.Height,
		X: v.X + first*v.ScaleX, Y: v.Y + first*v.ScaleY,
		StepX: step * v.ScaleX, StepY: step * v.ScaleY,
		Seen: [4]float64{v.X, v.Y, v.X + float64(size)*v.ScaleX, v.Y + float64(size)*v.ScaleY},
	}
}

// Explain answers for one input as Classify does, and says why: the class activation maps of the
// top most probable labels (0 or fewer: of every label), and the training pictures that are most
// like it, when the model keeps some.
func (c *Classifier) Explain(ctx context.Context, in *Input, top int) (*Explanation, error) {
	if err := in.Decode(ctx, c.model.Recipe, nil); err != nil {
		return nil, err
	}
	if len(in.Pixels) != c.trunk.pixels() {
		return nil, fmt.Errorf("inception: explain: got %d input values, want %d of one picture", len(in.Pixels),
			c.trunk.pixels())
	}
	bottleneck, blocks, err := c.trunk.embedBlocks(ctx, in.Pixels)
	if err != nil {
		return nil, err
	}
	x := &Explanation{Result: Result{Info: in.Info}}
	logits := make([]float64, c.model.Head.Classes)
	if c.model.answer(&x.Result, bottleneck, logits); x.Err != nil {
		return nil, x.Err
	}
	if c.model.Views > 1 {
		if err := c.answerViews(ctx, &x.Result, in.Pixels, bottleneck); err != nil || x.Err != nil {
			return nil, errors.Join(err, x.Err)
		}
	}
	x.Grid = newGrid(c.model.Recipe.Frame(in.Info), c.trunk.Size(), c.trunk.blocks[0].name)
	maps := newMapper(c.trunk, blocks)
	x.Nearest = c.model.Neighbours.nearest(bottleneck, nearestCount)
	x.Unlike = rank(x.Nearest, c.alike())
	if top <= 0 || top > len(x.Predictions) {
		top = len(x.Predictions)
	}
	for _, p := range x.Predictions[:top] {
		k := p.Class
		weights, bias := c.model.Head.gradient(k, bottleneck), 0.0
		if c.model.Head.Linear() {
			bias = float64(c.model.Head.B[k])
		} else {
			bias = logits[k]
			for f, w := range weights {
				bias -= w * float64(bottleneck[f])
			}
		}
		x.Maps = append(x.Maps, Map{
			Label: p.Label, Probability: p.Probability, Logit: logits[k], Bias: bias,
			Gradient: !c.model.Head.Linear() || maps.curved, Cells: maps.activation(weights),
		})
	}
	return x, nil
}

// at is a map's value at the point (x,y) of the picture: bilinear between the centres of the cells,
// and that of the nearest outside them.
func (g *Grid) at(cells [][]float32, x, y float64) float64 {
	place := func(p, first, step float64, n int) (lower int, part float64) {
		u := min(max((p-first)/step, 0), float64(n-1))
		lower = min(int(u), max(n-2, 0))
		return lower, u - float64(lower)
	}
	i, down := place(y, g.Y, g.StepY, len(cells))
	j, right := place(x, g.X, g.StepX, len(cells[0]))
	row := func(i int) float64 {
		r := cells[min(i, len(cells)-1)]
		return float64(r[j])*(1-right) + float64(r[min(j+1, len(r)-1)])*right
	}
	return row(i)*(1-down) + row(i+1)*down
}

// maxSampled bounds what Sample makes, in pixels.
const maxSampled = 1 << 28

// lies says whether the grid lies somewhere.
func (g *Grid) lies() bool {
	far := 0.0
	for _, v := range []float64{g.X, g.Y, g.Seen[0], g.Seen[1], g.Seen[2], g.Seen[3],
		float64(g.Width), float64(g.Height)} {
		far = max(far, math.Abs(v)) // NaN stays
	}
	return far < 1<<31 && g.StepX > 1e-6 && g.StepY > 1e-6
}

// whole says whether the map has cells, as many in each row.
func (m *Map) whole() bool {
	for _, row := range m.Cells {
		if len(row) == 0 || len(row) != len(m.Cells[0]) {
			return false
		}
	}
	return len(m.Cells) > 0
}

// Sample returns one of the maps in the geometry of the picture, [height][width]: bilinear between
// the cells, and 0 where the network saw nothing. Width and height may be those of a smaller copy
// of the picture.
//
// Sizes that are no picture's, and a map without cells, give nothing.
func (x *Explanation) Sample(m *Map, width, height int) [][]float32 {
	if m == nil || !m.whole() || !x.Grid.lies() || width < 1 || height < 1 || width > maxSampled/height {
		return nil
	}
	g := &x.Grid
	out := make([][]float32, height)
	for i := range out {
		out[i] = make([]float32, width)
		py := (float64(i) + 0.5) * float64(g.Height) / float64(height)
		if py < g.Seen[1] || py > g.Seen[3] {
			continue
		}
		for j := range out[i] {
			if px := (float64(j) + 0.5) * float64(g.Width) / float64(width); px >= g.Seen[0] && px <= g.Seen[2] {
				out[i][j] = float32(g.at(m.Cells, px, py))
			}
		}
	}
	return out
}
