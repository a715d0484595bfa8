package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"math"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/train/metrics"
)

// Bounds on what a report shows, and on its pictures.
const (
	mostMistakes = 20
	mostNearest  = 3
	mostSuspects = 16
	reportSide   = 160
	reportBytes  = 1_100_000 // of all thumbnails together; base64 takes a third more, activation maps at most 300,000
)

// pictureView is a picture on the page.
type pictureView struct {
	metrics.Picture
	Thumbnail     []byte `json:",omitempty"` // JPEG; nil where there is none
	Width, Height int

	index int
}

// thumbnails fills in the views, in their order, until there is no room left; a picture that has
// gone has none.
func (in *Input) thumbnails(ctx context.Context, views []*pictureView) error {
	var wanted []int
	left := reportBytes
	for _, v := range views {
		wanted = append(wanted, v.index)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	made := make([]pictureView, len(wanted))
	order := source.Order(wanted, func(i int) source.File { return in.Items[i].File() })
	err := par.Each(ctx, in.Engine.Threads, len(wanted), func(_, at int) error {
		i := order[at]
		if data, ok := in.read(wanted[i]); ok {
			made[i].shrink(in.Model.Recipe, data, in.Limits)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	for _, v := range views {
		at, _ := slices.BinarySearch(wanted, v.index)
		if t := made[at]; len(t.Thumbnail) <= left {
			v.Thumbnail, v.Width, v.Height = t.Thumbnail, t.Width, t.Height
			left -= len(t.Thumbnail)
		}
	}
	return nil
}

// shrink gives the view a thumbnail, if data is a picture.
func (v *pictureView) shrink(recipe picture.Recipe, data []byte, lim picture.Limits) {
	img, _, err := recipe.Thumbnail(data, lim, reportSide)
	if err != nil {
		return
	}
	if data, err := encode(img); err == nil {
		v.Thumbnail, v.Width, v.Height = data, img.Rect.Dx(), img.Rect.Dy()
	}
}

// encode returns the picture as a JPEG.
func encode(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 72}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// inline returns a JPEG as a data URL.
func inline(data []byte) (template.URL, error) {
	if !bytes.HasPrefix(data, []byte{0xff, 0xd8, 0xff}) {
		return "", errors.New("a thumbnail is not a JPEG")
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(data)), nil
}

// mistakeView shows the surest wrong answers.
type mistakeView struct {
	What    string // pictures were looked at
	Of      int    // them
	Wrong   int
	List    []mistake
	Mapped  bool // some have activation maps
	Similar bool // some have training pictures beside them
}

type mistake struct {
	pictureView
	Maps    []activationView // the answer's and the label's
	Nearest []alike
}

// alike is a training picture that is like another one.
type alike struct {
	pictureView
	Cosine float64
}

// mistakes ranks the wrong answers: of a training on held-out pictures, or on all where nothing was
// held out.
func (in *Input) mistakes() mistakeView {
	pictures, training := in.Pictures, in.Learning != nil
	v := mistakeView{What: "pictures measured"}
	heldOut := training && slices.ContainsFunc(in.Items, func(it dataset.Item) bool { return it.Split != dataset.Train })
	switch {
	case heldOut:
		v.What = "held-out pictures (validation and test)"
	case training:
		v.What = "pictures, all of them trained on,"
	}
	var wrong []int
	for i, p := range pictures {
		if heldOut && in.Items[i].Split == dataset.Train {
			continue
		}
		v.Of++
		if p.Label != p.Predicted {
			wrong = append(wrong, i)
		}
	}
	v.Wrong = len(wrong)
	slices.SortStableFunc(wrong, func(a, b int) int {
		return cmp.Compare(pictures[b].Probability, pictures[a].Probability)
	})
	for _, i := range wrong[:min(len(wrong), mostMistakes)] {
		v.List = append(v.List, mistake{pictureView: in.view(i)})
	}
	return v
}

// compare puts the training pictures beside the mistakes that are most like them.
func (in *Input) compare(ctx context.Context, list []mistake) error {
	if len(list) == 0 {
		return nil
	}
	lengths := make([]float64, len(in.Rows))
	for i, row := range in.Rows {
		lengths[i] = math.Sqrt(numeric.Dot(row, row))
	}
	for i := range list {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		list[i].Nearest = in.nearest(list[i].index, lengths)
	}
	return nil
}

// nearest returns the training pictures with the largest cosine between bottlenecks, other than
// picture i itself.
func (in *Input) nearest(i int, lengths []float64) []alike {
	best := numeric.TopK(len(in.Items), mostNearest, func(j int) (cosine float64, ok bool) {
		if in.Items[j].Split != dataset.Train || j == i || in.Sums[j] == in.Sums[i] || lengths[i] == 0 || lengths[j] == 0 {
			return 0, false
		}
		return numeric.Dot(in.Rows[i], in.Rows[j]) / (lengths[i] * lengths[j]), true
	})
	out := make([]alike, len(best))
	for n, b := range best {
		out[n] = alike{in.view(b.Index), b.Score}
	}
	return out
}

// suspectView shows pictures whose label may be wrong.
type suspectView struct {
	Method string // how the probabilities came about, one sentence
	Judged int    // pictures with such a probability
	Found  int
	List   []suspect
}

type suspect struct {
	pictureView
	Suggested string
	Share     float64 // probability of Suggested
	Own       float64 // probability of the label
}

// suspects shows the label errors that the run found.
func (in *Input) suspects() *suspectView {
	found := in.Metrics.LabelErrors
	v := &suspectView{Method: found.Method, Judged: found.Judged, Found: found.Found}
	place := in.places()
	for _, e := range found.List[:min(len(found.List), mostSuspects)] {
		i := place[e.Image]
		v.List = append(v.List, suspect{
			pictureView: in.view(i), Suggested: e.Suggested,
			Share: e.Probability, Own: e.OfLabel,
		})
	}
	return v
}
