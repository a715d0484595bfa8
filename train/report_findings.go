package train

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"math"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
)

// Bounds on what a report shows, and on its pictures.
const (
	mostMistakes   = 20
	mostNearest    = 3
	mostSuspects   = 16
	mostDuplicates = 12
	mostCopies     = 6 // listed of one picture
	reportSide     = 96
	reportBytes    = 900_000 // of all thumbnails together, in base64; activation maps come to at most 300,000
)

// pictureView is a picture on the page.
type pictureView struct {
	Picture
	Thumbnail     template.URL // "" where there is none
	Width, Height int

	index int
}

// thumbnails fills in the views, in their order, until there is no room left; a picture that has
// gone has none.
func (e *evidence) thumbnails(ctx context.Context, recipe picture.Recipe, views []*pictureView) error {
	var wanted []int
	left := reportBytes
	for _, v := range views {
		wanted = append(wanted, v.index)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	made := make([]pictureView, len(wanted))
	err := par.Each(ctx, e.threads, len(wanted), func(_, i int) error {
		if data, ok := e.read(wanted[i]); ok {
			made[i].shrink(recipe, data, e.limits)
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
	if url, err := inline(img); err == nil {
		v.Thumbnail, v.Width, v.Height = url, img.Rect.Dx(), img.Rect.Dy()
	}
}

// inline returns the picture as a data URL.
func inline(img image.Image) (template.URL, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 72}); err != nil {
		return "", err
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
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
func (e *evidence) mistakes(pictures []Picture, training bool) mistakeView {
	v := mistakeView{What: "pictures measured"}
	heldOut := training && slices.ContainsFunc(e.items, func(it dataset.Item) bool { return it.Split != dataset.Train })
	switch {
	case heldOut:
		v.What = "held-out pictures (validation and test)"
	case training:
		v.What = "pictures, all of them trained on,"
	}
	var wrong []int
	for i, p := range pictures {
		if heldOut && e.items[i].Split == dataset.Train {
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
		v.List = append(v.List, mistake{pictureView: pictureView{Picture: pictures[i], index: i}})
	}
	return v
}

// compare puts the training pictures beside the mistakes that are most like them.
func (e *evidence) compare(ctx context.Context, pictures []Picture, list []mistake) error {
	if len(list) == 0 {
		return nil
	}
	lengths := make([]float64, len(e.rows))
	for i, row := range e.rows {
		lengths[i] = math.Sqrt(dot(row, row))
	}
	for i := range list {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		list[i].Nearest = e.nearest(list[i].index, pictures, lengths)
	}
	return nil
}

// nearest returns the training pictures with the largest cosine between bottlenecks, other than
// picture i itself.
func (e *evidence) nearest(i int, pictures []Picture, lengths []float64) []alike {
	var out []alike
	for _, b := range numeric.TopK(len(e.items), mostNearest, func(j int) (float64, bool) {
		if e.items[j].Split != dataset.Train || j == i || e.sums[j] == e.sums[i] || lengths[i] == 0 || lengths[j] == 0 {
			return 0, false
		}
		return dot(e.rows[i], e.rows[j]) / (lengths[i] * lengths[j]), true
	}) {
		out = append(out, alike{pictureView{Picture: pictures[b.Index], index: b.Index}, b.Score})
	}
	return out
}

// dot is the scalar product in float64.
func dot(a, b []float32) float64 {
	sum := 0.0
	b = b[:len(a)]
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
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

// suspects shows what judge found.
func (e *evidence) suspects(ctx context.Context, pictures []Picture, labels []string,
	temperature float64) (suspectView, error) {
	if e.verdict == nil {
		var err error
		if e.verdict, err = e.judge(ctx, len(labels), temperature); err != nil {
			return suspectView{}, err
		}
	}
	v, k := suspectView{Method: e.verdict.method, Judged: e.verdict.judged, Found: len(e.verdict.found)}, len(labels)
	for _, f := range e.verdict.found[:min(len(e.verdict.found), mostSuspects)] {
		v.List = append(v.List, suspect{
			pictureView: pictureView{Picture: pictures[f.index], index: f.index}, Suggested: labels[f.suggested],
			Share: e.verdict.prob[f.index*k+f.suggested], Own: e.verdict.prob[f.index*k+e.items[f.index].Label],
		})
	}
	return v, nil
}

// duplicateView shows pictures that are there more than once, byte for byte.
type duplicateView struct {
	Groups    int // pictures with copies
	Conflicts int // of them, those with more than one label
	Crossing  int // of them, those in more than one part, as only a given split has them
	List      []duplicate
}

type duplicate struct {
	First    pictureView
	Conflict bool
	Copies   []Picture // First among them, the first few
	More     int
}

// duplicates groups equal pictures, those of several labels first.
func (e *evidence) duplicates(pictures []Picture) duplicateView {
	groups := make(map[[sha256.Size]byte][]int, len(e.sums))
	for i, s := range e.sums {
		groups[s] = append(groups[s], i)
	}
	var v duplicateView
	var all []duplicate
	for i, s := range e.sums { // in order
		g := groups[s]
		if len(g) < 2 || g[0] != i {
			continue
		}
		d := duplicate{First: pictureView{Picture: pictures[i], index: i}}
		for n, j := range g {
			d.Conflict = d.Conflict || pictures[j].Label != pictures[i].Label
			if n < mostCopies {
				d.Copies = append(d.Copies, pictures[j])
			}
		}
		if slices.ContainsFunc(g, func(j int) bool { return e.items[j].Split != e.items[i].Split }) {
			v.Crossing++
		}
		d.More = len(g) - len(d.Copies)
		v.Groups++
		if d.Conflict {
			v.Conflicts++
		}
		all = append(all, d)
	}
	slices.SortStableFunc(all, func(a, b duplicate) int {
		switch {
		case a.Conflict == b.Conflict:
			return 0
		case a.Conflict:
			return -1
		}
		return 1
	})
	v.List = all[:min(len(all), mostDuplicates)]
	return v
}
