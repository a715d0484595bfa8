package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/spelling"
)

// Correction is what a person decided about a picture: to leave it out, or what it shows.
type Correction struct {
	Path  string `json:"path"` // Item.Rel
	Drop  bool   `json:"drop,omitempty"`
	Label string `json:"label,omitempty"` // where Drop is not set; of several labels all, parted by "|"
}

// Proposal is a row of a corrections file.
type Proposal struct {
	Path   string // Item.Rel
	Action string // ActionKeep, ActionDrop or ActionLabel
	Label  string // what the picture shows, or may show
	Reason string
}

// The actions of a corrections file.
const (
	ActionKeep  = "keep" // also ""
	ActionDrop  = "drop"
	ActionLabel = "label"
)

// actions are what a row may ask for.
var actions = []string{ActionKeep, ActionDrop, ActionLabel}

// maxCorrections bounds a corrections file, in bytes.
const maxCorrections = 64 << 20

// WriteCorrections writes a corrections file: CSV with the columns path, action, label and reason.
func WriteCorrections(w io.Writer, rows []Proposal) error {
	if w == nil {
		return errors.New("dataset: corrections: got no writer")
	}
	c := csv.NewWriter(w)
	if err := c.Write([]string{"path", "action", "label", "reason"}); err != nil {
		return err
	}
	for _, r := range rows {
		if err := c.Write([]string{r.Path, r.Action, r.Label, r.Reason}); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// ReadCorrections reads a corrections file: CSV whose first row names the columns, among them path and
// action, or, as a report writes it, path and correction; what the action keep leaves as it is has no
// Correction.
func ReadCorrections(file string) ([]Correction, error) {
	data, err := source.Read(file, picture.Limits{MaxBytes: maxCorrections})
	if err != nil {
		return nil, fmt.Errorf("dataset: corrections: %w", err)
	}
	out, err := parseCorrections(strings.TrimPrefix(string(data), "\ufeff"))
	if err != nil {
		return nil, fmt.Errorf("dataset: corrections %s: %w", file, err)
	}
	return out, nil
}

func parseCorrections(text string) ([]Correction, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("want a first row path,action,label: %w", err)
	}
	column := func(name string) int {
		return slices.IndexFunc(head, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
	}
	path, action, label := column("path"), column("action"), column("label")
	if action < 0 {
		action = column("correction") // of a report, which writes "drop" or "label=NAME"
	}
	if path < 0 || action < 0 {
		return nil, fmt.Errorf("the first row is %q, want path,action,label", head)
	}
	var out []Correction
	met := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		cell := func(i int) string {
			if i < 0 || i >= len(row) {
				return ""
			}
			return strings.TrimSpace(row[i])
		}
		c := Correction{Path: norm.NFC.String(cell(path)), Label: norm.NFC.String(cell(label))}
		what, named, both := strings.Cut(cell(action), "=")
		if both {
			c.Label = norm.NFC.String(strings.TrimSpace(named))
		}
		switch what = strings.ToLower(strings.TrimSpace(what)); what {
		case "", ActionKeep:
			continue
		case ActionDrop:
			c.Drop, c.Label = true, ""
		case ActionLabel:
			if c.Label == "" {
				return nil, fmt.Errorf("line %d: %s: the label is missing", line, c.Path)
			}
		default:
			return nil, fmt.Errorf("line %d: action %q is none of %s%s", line, what, spelling.List(actions),
				spelling.Suggest(what, actions))
		}
		if first, twice := met[c.Path]; twice {
			return nil, fmt.Errorf("%s is corrected on line %d and on line %d: leave one out", c.Path, first, line)
		}
		met[c.Path] = line
		out = append(out, c)
	}
}

// Corrected returns a copy of the folder in which the pictures are dropped or have the labels that
// the corrections say; where they lie, and how they are split, stays. A picture or a label that the
// folder does not have is an error that names it.
func (f *Folder) Corrected(list []Correction) (*Folder, error) {
	if f == nil || len(list) == 0 {
		return f, nil
	}
	at := make(map[string]int, len(f.Items))
	for i := range f.Items {
		at[f.Items[i].Rel] = i
	}
	out := *f
	out.Items = slices.Clone(f.Items)
	drop := map[int]bool{}
	for _, c := range list {
		i, ok := at[c.Path]
		if !ok {
			return nil, fmt.Errorf("dataset: corrections: %s is no picture of %s: take its row out, or mend the path, which "+
				"is below the folder", c.Path, f.Root)
		}
		if c.Drop {
			drop[i] = true
			continue
		}
		if err := out.give(&out.Items[i], c); err != nil {
			return nil, err
		}
	}
	n := 0
	for i := range out.Items {
		if !drop[i] {
			out.Items[n] = out.Items[i]
			n++
		}
	}
	out.Items = out.Items[:n]
	return &out, nil
}

// give gives an item the labels that a correction names.
func (f *Folder) give(it *Item, c Correction) error {
	names := []string{c.Label}
	if f.MultiLabel {
		names = strings.Split(c.Label, "|")
	}
	var set []int
	for _, name := range names {
		l := slices.Index(f.Labels, strings.TrimSpace(name))
		if l < 0 {
			return fmt.Errorf("dataset: corrections: %s: there is no label %q%s", c.Path, name,
				spelling.Suggest(name, f.Labels))
		}
		set = append(set, l)
	}
	slices.Sort(set)
	it.Label = set[0]
	if f.MultiLabel {
		it.Labels = slices.Compact(set)
	}
	return nil
}
