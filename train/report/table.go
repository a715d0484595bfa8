package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/visible"
)

// tableBytes bounds the rows of the table of pictures, in bytes.
const tableBytes = 700_000

// What is to be seen about a picture of the table.
const (
	flagSuspect = 1 << iota
	flagNear
	flagSame
	flagOutlier
)

// tableView is every picture, for the page's script: a row is path, part, label, answer, thousandths
// of probability of the answer and of the label, and flags. Texts are numbers of Texts.
type tableView struct {
	Texts  []string   `json:"texts"`
	Rows   []tableRow `json:"rows"`
	Labels []string   `json:"labels"` // that a correction can give; none where pictures have any number
	Of     int        `json:"of"`     // pictures, of which Rows may be a part
}

type tableRow [7]any

// table lists every picture, or, where there are too many, those that most need a look.
func (in *Input) table() tableView {
	v := tableView{Labels: in.Labels, Of: len(in.Pictures)}
	if in.MultiLabel {
		v.Labels = []string{} // one label would take the place of all that a picture has
	}
	flags := in.flags()
	numbers := map[string]int{}
	number := func(text string) int {
		n, ok := numbers[text]
		if !ok {
			n = len(v.Texts)
			numbers[text], v.Texts = n, append(v.Texts, string(visible.Text([]byte(text))))
		}
		return n
	}
	order := make([]int, len(in.Pictures))
	size := 0
	for i := range order {
		order[i] = i
		size += rowBytes(in.Pictures[i].Rel)
	}
	if size > tableBytes {
		slices.SortStableFunc(order, func(a, b int) int {
			return cmp.Or(cmp.Compare(flags[b], flags[a]), cmp.Compare(in.Pictures[a].OfLabel, in.Pictures[b].OfLabel))
		})
	}
	left := tableBytes
	for _, i := range order {
		p := in.Pictures[i]
		if left -= rowBytes(p.Rel); left < 0 {
			break
		}
		v.Rows = append(v.Rows, tableRow{string(visible.Text([]byte(p.Rel))), number(p.Part), number(p.Label),
			number(p.Predicted), math.Round(1000 * p.Probability), math.Round(1000 * p.OfLabel), flags[i]})
	}
	return v
}

// rowBytes is about what a row takes.
func rowBytes(rel string) int { return len(rel) + 24 }

// flags says what was found about each picture.
func (in *Input) flags() []int {
	flags, place := make([]int, len(in.Pictures)), in.places()
	mark := func(rel string, flag int) {
		if i, ok := place[rel]; ok {
			flags[i] |= flag
		}
	}
	if found := in.Metrics.LabelErrors; found != nil {
		for _, e := range found.List {
			mark(e.Image, flagSuspect)
		}
	}
	for _, o := range in.Metrics.Outliers {
		mark(o.Image, flagOutlier)
	}
	for _, d := range in.Near {
		if g := present(d, place); len(g) > 1 {
			for _, i := range g {
				flags[i] |= flagNear
			}
		}
	}
	seen := make(map[[32]byte]int, len(in.Sums))
	for i, s := range in.Sums {
		if first, ok := seen[s]; ok {
			flags[i] |= flagSame
			flags[first] |= flagSame
		} else {
			seen[s] = i
		}
	}
	return flags
}
