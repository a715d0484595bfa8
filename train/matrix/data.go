package matrix

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/internal/npy"
	"github.com/c236555e/rehead/train/head"
)

// Data is a labelled matrix. What is optional may be nil.
type Data struct {
	Rows   [][]float32 // [n][F], of one length and finite
	Labels []string    // [n], the label of each row
	// in the place of Labels: [n], any number of labels of each row, none being an answer too
	Sets    [][]string
	Parts   []dataset.Split // optional: [n], the part of each row; nil: dealt as Config.Split says
	Groups  []string        // optional: [n]; rows of one group, such as a person, are never parted; "" is none
	Weights []float64       // optional: [n], how much each row counts in training, above 0
}

// ReadNPY reads a two-dimensional array that numpy.save wrote, of floats, integers or booleans, as rows.
func ReadNPY(path string) ([][]float32, error) {
	rows, err := npy.ReadRows(path)
	if err != nil {
		return nil, fmt.Errorf("matrix: read: %w", err)
	}
	return rows, nil
}

// ReadLabels reads the labels of rows: a one-dimensional array of texts or integers that numpy.save wrote,
// or a text file with a label on each line.
func ReadLabels(path string) ([]string, error) {
	if strings.HasSuffix(path, ".npy") {
		labels, err := npy.ReadTexts(path)
		if err != nil {
			return nil, fmt.Errorf("matrix: read labels: %w", err)
		}
		return labels, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("matrix: read labels: %w", err)
	}
	lines := strings.ReplaceAll(strings.TrimRight(string(text), "\r\n"), "\r\n", "\n")
	if lines == "" {
		return nil, fmt.Errorf("matrix: read labels: %s is empty, want a label on each line", path)
	}
	return strings.Split(lines, "\n"), nil
}

// check says what is wrong with the lengths; package head looks at the rows.
func (d *Data) check() error {
	n := len(d.Rows)
	if (d.Labels == nil) == (d.Sets == nil) {
		return errors.New("matrix: data: got both Labels and Sets, or neither: want one of them")
	}
	for _, s := range []struct {
		name string
		got  int
		have bool
	}{{"Labels", len(d.Labels), d.Labels != nil}, {"Sets", len(d.Sets), d.Sets != nil},
		{"Parts", len(d.Parts), d.Parts != nil}, {"Groups", len(d.Groups), d.Groups != nil},
		{"Weights", len(d.Weights), d.Weights != nil}} {
		if s.have && s.got != n {
			return fmt.Errorf("matrix: data: %s: got %d, want one for each of %d rows", s.name, s.got, n)
		}
	}
	for i, p := range d.Parts {
		if p > dataset.Test {
			return fmt.Errorf("matrix: data: row %d: got part %d, which there is not", i, p)
		}
	}
	return nil
}

// labels lists those of the rows, sorted by bytes.
func (d *Data) labels() []string {
	all := slices.Concat(append([][]string{d.Labels}, d.Sets...)...)
	slices.Sort(all)
	return slices.Compact(all)
}

// folder lists the rows as if they were pictures, which parts and folds are dealt to, with their labels'
// places among those given.
func (d *Data) folder(labels []string) (*dataset.Folder, error) {
	f := &dataset.Folder{Labels: labels, MultiLabel: d.Sets != nil, Items: make([]dataset.Item, len(d.Rows))}
	find := func(i int, label string) (int, error) {
		at, ok := slices.BinarySearch(labels, label)
		if !ok {
			return 0, fmt.Errorf("matrix: data: row %d has the label %q, want one of %q", i, label, labels)
		}
		return at, nil
	}
	for i := range f.Items {
		it := &f.Items[i]
		it.Key = strconv.Itoa(i)
		it.Path, it.Rel = "row "+it.Key, "rows/"+it.Key
		if d.Groups != nil {
			it.Group = d.Groups[i]
		}
		if d.Weights != nil {
			it.Weight = d.Weights[i]
		}
		if d.Parts != nil {
			it.Split, it.Fixed = d.Parts[i], true
		}
		if d.Sets == nil {
			at, err := find(i, d.Labels[i])
			if err != nil {
				return nil, err
			}
			it.Label = at
			continue
		}
		it.Labels = []int{}
		for _, label := range d.Sets[i] {
			at, err := find(i, label)
			if err != nil {
				return nil, err
			}
			it.Labels = append(it.Labels, at)
		}
		slices.Sort(it.Labels)
		if it.Labels = slices.Compact(it.Labels); len(it.Labels) > 0 {
			it.Label = it.Labels[0]
		}
	}
	return f, nil
}

// examples are the rows of some parts, and where they are.
func (d *Data) examples(f *dataset.Folder, parts ...dataset.Split) (ex head.Examples, at []int) {
	ex.Classes = len(f.Labels)
	for i, it := range f.Items {
		if !slices.Contains(parts, it.Split) {
			continue
		}
		at = append(at, i)
		ex.Rows, ex.Labels = append(ex.Rows, d.Rows[i]), append(ex.Labels, it.Label)
		if f.MultiLabel {
			ex.MultiLabel = append(ex.MultiLabel, it.Labels)
		}
		if d.Weights != nil {
			ex.Weights = append(ex.Weights, it.Weight)
		}
	}
	return ex, at
}
