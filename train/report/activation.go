package report

import (
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"slices"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/metrics"
)

// mostMaps bounds the work of a map: where a picture's label comes later in the ranking, the
// answer's map stands alone.
const mostMaps = 50

// mostOverlays is how many maps of a picture are shown.
const mostOverlays = 5

// activationView is a picture with the class activation map of a label over it.
type activationView struct {
	Label         string
	Right         bool   // it is the picture's own label, not the answer
	Picture       []byte // JPEG
	Width, Height int
}

// activations shows for each mistake what spoke for the answer and what for the label, both on one
// scale; where pictures have several labels, for those answered wrongly and those missed. It
// compiles the network, unless the Input has it, and runs one forward pass a mistake, and no more: the
// pictures that are listed are few. In an evaluation the training pictures that the model keeps stand for those that
// are not at hand. A picture that has gone or changed since has no maps, nor has any when the model
// came without its trunk.
func (in *Input) activations(ctx context.Context, list []mistake) error {
	m := in.Model
	if len(list) == 0 || m.Trunk == nil {
		return nil
	}
	c, err := in.classifier()
	if err != nil {
		return err
	}
	defer c.Close()
	for _, i := range source.Order(list, func(m mistake) source.File { return in.Items[m.index].File() }) {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		data, ok := in.read(list[i].index)
		if !ok {
			continue
		}
		x, err := c.Explain(ctx, &inception.Input{Data: data, Limits: in.Limits},
			min(max(1+in.rank(list[i].index), len(list[i].Answered)), mostMaps))
		if err != nil {
			return fmt.Errorf("the activation map of %s: %w", list[i].Rel, err)
		}
		if list[i].Maps, err = in.overlays(data, &list[i], x); err != nil {
			return fmt.Errorf("the activation map of %s: %w", list[i].Rel, err)
		}
		if in.Learning == nil {
			for _, n := range x.Nearest {
				a := alike{pictureView{Picture: metrics.Picture{Rel: n.Path, Label: n.Label}, index: -1}, n.Similarity}
				a.shrink(m.Recipe, n.Thumbnail, in.Limits)
				list[i].Nearest = append(list[i].Nearest, a)
			}
		}
	}
	return nil
}

// classifier answers with the model.
func (in *Input) classifier() (*inception.Classifier, error) {
	if in.Trunk != nil {
		return in.Trunk.Classifier(in.Model)
	}
	return inception.NewClassifier(in.Model, in.Engine)
}

// rank is how many labels the picture has a higher logit of than of its own, the lowest where it
// has several.
func (in *Input) rank(i int) int {
	k := len(in.Logits) / len(in.Items)
	row := in.Logits[i*k : (i+1)*k]
	lowest := row[in.Items[i].Label]
	for _, l := range in.Items[i].Labels {
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
func (in *Input) overlays(data []byte, m *mistake, x *inception.Explanation) ([]activationView, error) {
	small, _, err := in.Model.Recipe.Thumbnail(data, in.Limits, reportSide)
	if err != nil {
		return nil, err
	}
	x.Maps = slices.DeleteFunc(x.Maps, func(a inception.Map) bool { return !m.mistaken(a.Label) })
	x.Maps = x.Maps[:min(len(x.Maps), mostOverlays)]
	var out []activationView
	for i := range x.Maps { // the answer's comes first, for it ranks higher
		on := &image.NRGBA{Pix: slices.Clone(small.Pix), Stride: small.Stride, Rect: small.Rect}
		x.Blend(on, &x.Maps[i])
		data, err := encode(on)
		if err != nil {
			return nil, err
		}
		out = append(out, activationView{x.Maps[i].Label, m.has(x.Maps[i].Label), data, on.Rect.Dx(), on.Rect.Dy()})
	}
	return out, nil
}

// has tells whether the picture has the label.
func (m *mistake) has(label string) bool {
	if m.Labels != nil {
		return slices.Contains(m.Labels, label)
	}
	return m.Label == label
}

// mistaken tells whether the label was answered and is none of the picture's, or is one and was not
// answered.
func (m *mistake) mistaken(label string) bool {
	if m.Labels != nil {
		return slices.Contains(m.Labels, label) != slices.Contains(m.Answered, label)
	}
	return (m.Label == label) != (m.Predicted == label)
}

// read returns the bytes of picture i, if it is still what it was in the run.
func (in *Input) read(i int) ([]byte, bool) {
	data, err := in.Items[i].File().Read(in.Limits)
	return data, err == nil && sha256.Sum256(data) == in.Sums[i]
}
