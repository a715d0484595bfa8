package train

import (
	"context"
	"crypto/sha256"
	"fmt"
	"html/template"
	"image"
	"slices"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// mostMaps bounds the work of a map: where a picture's label comes later in the ranking, the
// answer's map stands alone.
const mostMaps = 50

// mostOverlays is how many maps of a picture are shown.
const mostOverlays = 5

// activationView is a picture with the class activation map of a label over it.
type activationView struct {
	Label         string
	Right         bool // it is the picture's own label, not the answer
	Picture       template.URL
	Width, Height int
}

// activations shows for each mistake what spoke for the answer and what for the label, both on one
// scale; where pictures have several labels, for those answered wrongly and those missed. It
// compiles the network once and runs one forward pass a mistake, and no more: the pictures that are
// listed are few. Where kept, the training pictures that the model keeps stand for those that are
// not at hand. A picture that has gone or changed since has no maps, nor has any when the model
// came without its trunk.
func (e *evidence) activations(ctx context.Context, m *inception.Model, list []mistake, kept bool) error {
	if len(list) == 0 || m.Trunk == nil {
		return nil
	}
	c, err := inception.NewClassifier(m, nn.Config{Threads: e.threads, Device: e.device, Kernel: e.kernel})
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range list {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		data, ok := e.read(list[i].index)
		if !ok {
			continue
		}
		x, err := c.Explain(ctx, &inception.Input{Data: data, Limits: e.limits},
			min(max(1+e.rank(list[i].index), len(list[i].Answered)), mostMaps))
		if err != nil {
			return fmt.Errorf("the activation map of %s: %w", list[i].Rel, err)
		}
		if list[i].Maps, err = e.overlays(m.Recipe, data, &list[i], x); err != nil {
			return fmt.Errorf("the activation map of %s: %w", list[i].Rel, err)
		}
		if kept {
			for _, n := range x.Nearest {
				a := alike{pictureView{Picture: Picture{Rel: n.Path, Label: n.Label}, index: -1}, n.Similarity}
				a.shrink(m.Recipe, n.Thumbnail, e.limits)
				list[i].Nearest = append(list[i].Nearest, a)
			}
		}
	}
	return nil
}

// rank is how many labels the picture has a higher logit of than of its own, the lowest where it
// has several.
func (e *evidence) rank(i int) int {
	k := len(e.logits) / len(e.items)
	row := e.logits[i*k : (i+1)*k]
	lowest := row[e.items[i].Label]
	for _, l := range e.items[i].Labels {
		lowest = min(lowest, row[l])
	}
	n := 0
	for _, z := range row {
		if z > lowest {
			n++
		}
	}
	return n
}

// overlays draws the maps of the answer and of the label over small copies of the picture.
func (e *evidence) overlays(recipe picture.Recipe, data []byte, m *mistake,
	x *inception.Explanation) ([]activationView, error) {
	small, _, err := recipe.Thumbnail(data, e.limits, reportSide)
	if err != nil {
		return nil, err
	}
	x.Maps = slices.DeleteFunc(x.Maps, func(a inception.Map) bool { return !m.mistaken(a.Label) })
	x.Maps = x.Maps[:min(len(x.Maps), mostOverlays)]
	var out []activationView
	for i := range x.Maps { // the answer's comes first, for it ranks higher
		on := &image.NRGBA{Pix: slices.Clone(small.Pix), Stride: small.Stride, Rect: small.Rect}
		x.Blend(on, &x.Maps[i])
		url, err := inline(on)
		if err != nil {
			return nil, err
		}
		out = append(out, activationView{x.Maps[i].Label, m.has(x.Maps[i].Label), url, on.Rect.Dx(), on.Rect.Dy()})
	}
	return out, nil
}

// has tells whether the picture has the label.
func (p *Picture) has(label string) bool {
	if p.Labels != nil {
		return slices.Contains(p.Labels, label)
	}
	return p.Label == label
}

// mistaken tells whether the label was answered and is none of the picture's, or is one and was not
// answered.
func (p *Picture) mistaken(label string) bool {
	if p.Labels != nil {
		return slices.Contains(p.Labels, label) != slices.Contains(p.Answered, label)
	}
	return (p.Label == label) != (p.Predicted == label)
}

// read returns the bytes of picture i, if it is still what it was in the run.
func (e *evidence) read(i int) ([]byte, bool) {
	data, err := source.Read(e.items[i].Path, e.limits)
	return data, err == nil && sha256.Sum256(data) == e.sums[i]
}
