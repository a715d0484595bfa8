package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// answers is what a line of a manifest says of its picture's labels, where there are several.
type answers struct {
	names   []string
	numbers []int          // classes, or yes and no for each class
	byMap   map[int]string // names of the numbers
}

// yesNo marks a column of a CSV file that says with 0 and 1 whether a picture has the label it is
// named after.
const yesNo = "\x00"

// answer reads 1 and 0, as numbers or, as pandas writes them, as True and False.
func answer(text string) (yes, ok bool) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "1.0", "true":
		return true, true
	case "", "0", "0.0", "false":
		return false, true
	}
	return false, false
}

// put puts a cell of a CSV file where its column belongs.
func (r *row) put(meaning, text string, cfg ManifestConfig) error {
	label, asked := strings.CutPrefix(meaning, yesNo)
	switch {
	case asked:
		yes, ok := answer(text)
		if !ok {
			return fmt.Errorf("column %q: got %q, want 1 or 0: without a column label the others are labels that a "+
				"picture has or has not", label, text)
		}
		if yes {
			r.set.names = append(r.set.names, label)
		}
	case meaning == "label" && cfg.MultiLabel:
		for name := range strings.SplitSeq(text, cfg.Separator) {
			if name = strings.TrimSpace(name); name != "" {
				r.set.names = append(r.set.names, name)
			}
		}
	default:
		r.cell(meaning, text)
	}
	return nil
}

// list takes a JSON list of names, or one name.
func (a *answers) list(value json.RawMessage) error {
	if value[0] == '"' {
		a.names = make([]string, 1)
		return json.Unmarshal(value, &a.names[0])
	}
	if err := json.Unmarshal(value, &a.names); err != nil {
		return fmt.Errorf("label: got %.40s, want a list of strings", value)
	}
	return nil
}

// numbered keeps a line with numbers until all lines are known.
func (m *manifest) numbered(r row, texts []string) error {
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if text == "-1" || strings.HasPrefix(text, "-1.0") { // fills up
			continue
		}
		n, err := classNumber(text)
		if err != nil {
			return err
		}
		r.set.numbers = append(r.set.numbers, n)
	}
	r.class = -1
	m.pending = append(m.pending, r)
	if len(m.pending) > m.cfg.MaxRows {
		return fmt.Errorf("more than %d lines: raise the limit", m.cfg.MaxRows)
	}
	return nil
}

// answered takes the class or the classes of a line of an augmented manifest.
func (m *manifest) answered(r row, attribute string, value json.RawMessage, name string,
	names map[string]string) error {
	var quoted string
	if json.Unmarshal(value, &quoted) == nil { // lists come as text, too
		value = json.RawMessage(quoted)
	}
	if !strings.HasPrefix(strings.TrimSpace(string(value)), "[") {
		value = json.RawMessage("[" + string(value) + "]")
	}
	var list []json.Number
	if err := json.Unmarshal(value, &list); err != nil {
		return fmt.Errorf("%s: got %.40s, want a number or a list of numbers", attribute, value)
	}
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = n.String()
	}
	if name != "" && len(texts) == 1 {
		names = map[string]string{texts[0]: name}
	}
	for text, name := range names {
		n, err := classNumber(text)
		if err != nil {
			return fmt.Errorf("%s-metadata: %w", attribute, err)
		}
		if r.set.byMap == nil {
			r.set.byMap = map[int]string{}
		}
		r.set.byMap[n] = name
	}
	if err := m.numbered(r, texts); err != nil {
		return fmt.Errorf("%s: %w", attribute, err)
	}
	return nil
}

// resolve adds the lines that wait: their numbers say yes and no when each line has as many, more
// than one, all 0 or 1, and no names.
func (m *manifest) resolve() error {
	hot := len(m.pending) > 0 && len(m.pending[0].set.numbers) > 1
	for _, r := range m.pending {
		hot = hot && len(r.set.numbers) == len(m.pending[0].set.numbers) && r.set.byMap == nil &&
			slices.Max(r.set.numbers) <= 1
	}
	for _, r := range m.pending {
		if hot {
			var classes []int
			for class, yes := range r.set.numbers {
				if yes == 1 {
					classes = append(classes, class)
				}
			}
			r.set.numbers = classes
		}
		if err := m.add(r); err != nil {
			return fmt.Errorf("line %d: %w", r.line, err)
		}
	}
	m.pending = nil
	return nil
}

// labelSet finds or makes the labels of a row.
func (m *manifest) labelSet(r row) ([]int, error) {
	set := []int{}
	for _, name := range r.set.names {
		l, err := m.label(row{label: name, class: -1})
		if err != nil {
			return nil, err
		}
		set = append(set, l)
	}
	for _, class := range r.set.numbers {
		l, err := m.label(row{label: r.set.byMap[class], class: class})
		if err != nil {
			return nil, err
		}
		set = append(set, l)
	}
	return distinct(set), nil
}

// merge appends an item, or adds its labels to those that its picture has from earlier lines.
func (m *manifest) merge(r row, it Item) error {
	i, met := m.at.find(m.scan.folder.Items, it.Path)
	if !met {
		m.take(r, it)
		return nil
	}
	other := &m.scan.folder.Items[i]
	differs := func(what string, a, b any) error {
		return fmt.Errorf("%q has %s %v here and %v on line %d: say it once, or the same each time", r.image, what, a, b,
			m.lines[i])
	}
	var errs []error
	if it.Fixed && other.Fixed && it.Split != other.Split {
		errs = append(errs, differs("split", it.Split, other.Split))
	}
	if it.Group != "" && other.Group != "" && it.Group != other.Group {
		errs = append(errs, differs("group", it.Group, other.Group))
	}
	if it.Weight != 0 && other.Weight != 0 && it.Weight != other.Weight {
		errs = append(errs, differs("weight", it.Weight, other.Weight))
	}
	if it.Fixed {
		other.Split, other.Fixed = it.Split, true
	}
	if it.Group != "" {
		other.Group = it.Group
	}
	other.Weight = math.Max(other.Weight, it.Weight)
	other.Labels = distinct(append(other.Labels, it.Labels...))
	return errors.Join(errs...)
}
