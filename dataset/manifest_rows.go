package dataset

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/strictjson"
)

// guard is a reader that refuses to go on beyond a number of bytes since it was last reset.
type guard struct {
	r    io.Reader
	used int
}

var errLong = fmt.Errorf("a record is longer than %d bytes: is a quotation mark missing?", maxRecord)

func (g *guard) Read(p []byte) (int, error) {
	if g.used > maxRecord {
		return 0, errLong
	}
	n, err := g.r.Read(p[:min(len(p), 1<<12)])
	g.used += n
	return n, err
}

// readCSV reads a header and records.
func (m *manifest) readCSV(r io.Reader, head []byte) error {
	g := &guard{r: r}
	c := csv.NewReader(g)
	c.ReuseRecord, c.TrimLeadingSpace = true, true
	header, _, _ := strings.Cut(strings.TrimLeft(string(head), "\r\n"), "\n")
	for _, comma := range []rune{'\t', ';'} {
		if strings.ContainsRune(header, comma) && !strings.ContainsRune(header, ',') {
			c.Comma = comma
		}
	}
	names, err := c.Read()
	if err != nil {
		return err
	}
	names = slices.Clone(names)
	meaning, headless := m.headless(names)
	if !headless {
		if meaning, err = m.columns(names); err != nil {
			return fmt.Errorf("header: %w", err)
		}
	}
	for record, begun := names, headless; ; {
		if !headless {
			g.used = 0
			if record, err = c.Read(); errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err // names the line
			}
		}
		if !begun {
			begun = true
			if err := m.first(names, meaning, record); err != nil {
				return err
			}
		}
		headless = false
		line, _ := c.FieldPos(0)
		one := row{line: line, class: -1}
		for i, cell := range record {
			if err := one.put(meaning[i], cell, m.cfg); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
		if !validText(one) {
			return fmt.Errorf("line %d: not UTF-8: save the file as UTF-8", line)
		}
		if err := m.add(one); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func validText(r row) bool {
	for _, cell := range [...]string{r.image, r.label, r.split, r.group, r.weight} {
		if !utf8.ValidString(cell) {
			return false
		}
	}
	return !slices.ContainsFunc(r.set.names, func(name string) bool { return !utf8.ValidString(name) })
}

// cell puts a cell where its column belongs.
func (r *row) cell(meaning, text string) {
	switch meaning {
	case "image":
		r.image = text
	case "label":
		r.label = text
	case "split":
		r.split = text
	case "group":
		r.group = text
	case "weight":
		r.weight = text
	}
}

// fields calls do with every key and value of the JSON object that a line is.
func fields(text []byte, do func(key string, value json.RawMessage) error) error {
	switch err := strictjson.Members(text, do); {
	case errors.Is(err, strictjson.ErrNotObject):
		return errors.New("got something else than a JSON object, want one on each line")
	case errors.Is(err, strictjson.ErrFollows):
		return errors.New("more than one JSON object on the line")
	default:
		return err
	}
}

// object takes a line of JSONL, or an object of a JSON array.
func (m *manifest) object(line int, text []byte) error {
	var keys []string
	var values []json.RawMessage
	err := fields(text, func(key string, value json.RawMessage) error {
		keys, values = append(keys, key), append(values, value)
		return nil
	})
	if err != nil {
		return err
	}
	if m.means == nil || !slices.Equal(keys, m.keys) { // lines have mostly the same
		if m.means, err = m.columns(keys); err != nil {
			return err
		}
		m.keys = keys
	}
	r := row{line: line, class: -1}
	for i, means := range m.means {
		if means == "" || string(values[i]) == "null" {
			continue
		}
		if err := m.value(&r, means, keys[i], values[i]); err != nil {
			return err
		}
	}
	return m.add(r)
}

// value takes the value of a key.
func (m *manifest) value(r *row, means, key string, value json.RawMessage) (err error) {
	var s string
	switch number := value[0] == '-' || '0' <= value[0] && value[0] <= '9'; {
	case means == "label" && m.cfg.MultiLabel && !number:
		return r.set.list(value)
	case means == "label" && value[0] == '[':
		return fmt.Errorf("label: got a list, %.40s, want a string; several labels a picture have to be "+
			"asked for (--multi-label)", value)
	case means == "label" && number && m.cfg.MultiLabel:
		r.set.names = append(r.set.names, string(value))
		return nil
	case means == "label" && number:
		r.class, err = classNumber(string(value))
		return err
	case number:
		s = string(value)
	default:
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("%s: got %.40s, want a string", key, value)
		}
	}
	r.cell(means, s)
	return nil
}

// readArray hands the objects of a JSON array to do, with their places from 1.
func (m *manifest) readArray(r io.Reader) error {
	g := &guard{r: r}
	d := json.NewDecoder(g)
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the JSON array: %w", err)
	}
	n := 0
	for d.More() {
		n++
		g.used = 0
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return fmt.Errorf("entry %d of the JSON array: %w", n, err)
		}
		if err := m.object(n, text); err != nil {
			return fmt.Errorf("entry %d of the JSON array: %w", n, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the JSON array does not end: %w", err)
	}
	return nil
}

const sourceRef = "source-ref"

// augmented takes a line of an augmented manifest: {"source-ref": "s3://...", "class": 3,
// "class-metadata": {"class-name": "daisy"}}.
func (m *manifest) augmented(line int, text []byte) error {
	r := row{line: line, class: -1}
	attribute, value := m.cfg.Attribute, json.RawMessage(nil)
	failed := ""
	names, maps := map[string]string{}, map[string]map[string]string{}
	err := fields(text, func(key string, v json.RawMessage) error {
		base, meta := strings.CutSuffix(key, "-metadata")
		switch {
		case key == sourceRef:
			if err := json.Unmarshal(v, &r.image); err != nil {
				return fmt.Errorf("%s: got %.40s, want a string", key, v)
			}
		case meta:
			var about struct {
				Name string            `json:"class-name"`
				Map  map[string]string `json:"class-map"` // of several: names by number
				Why  string            `json:"failure-reason"`
			}
			if err := json.Unmarshal(v, &about); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			names[base], maps[base] = about.Name, about.Map
			if about.Why != "" && (m.cfg.Attribute == "" || base == m.cfg.Attribute) {
				failed = about.Why
			}
		case m.cfg.Attribute == "" && value != nil:
			return fmt.Errorf("both %q and %q may be the class: say which attribute it is", attribute, key)
		case m.cfg.Attribute == "" || key == m.cfg.Attribute:
			attribute, value = key, v
		}
		return nil
	})
	if err != nil {
		return err
	}
	if failed != "" {
		return m.setAside(r, failed)
	}
	if value == nil {
		return fmt.Errorf("no class: want a key such as %q beside %q", "class", sourceRef)
	}
	if m.cfg.MultiLabel {
		return m.answered(r, attribute, value, names[attribute], maps[attribute])
	}
	r.label = names[attribute]
	number := strings.Trim(string(value), `"`)
	if r.class, err = classNumber(number); err != nil {
		return fmt.Errorf("%s: %w", attribute, err)
	}
	return m.add(r)
}

// setAside leaves out a picture that could not be labelled.
func (m *manifest) setAside(r row, why string) error {
	if m.rows++; m.rows > m.cfg.MaxRows {
		return fmt.Errorf("more than %d lines: raise the limit", m.cfg.MaxRows)
	}
	file, _, _, err := m.locate(strings.TrimSpace(r.image), "")
	if err == nil {
		m.scan.Add(file, fmt.Sprintf("could not be labelled (line %d): %s", r.line, why))
	}
	return err
}

// ReadClasses reads the names of classes 0, 1, 2... from a file, one on each line, in UTF-8.
func ReadClasses(file string) ([]string, error) {
	data, err := source.Read(file, picture.Limits{MaxBytes: maxRecord})
	if err != nil {
		return nil, err
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.ToValidUTF8(text, "") != text {
		return nil, fmt.Errorf("dataset: classes %q: not UTF-8: save the file as UTF-8", file)
	}
	var out []string
	met := map[string]int{}
	for i, line := range strings.Split(strings.TrimRight(text, "\r\n \t"), "\n") {
		name := strings.TrimSpace(line)
		if name == "" {
			return nil, fmt.Errorf("dataset: classes %q: line %d is empty, want a name on each line", file, i+1)
		}
		if first, twice := met[name]; twice {
			return nil, fmt.Errorf("dataset: classes %q: %q is on line %d and on line %d", file, name, first, i+1)
		}
		met[name] = i + 1
		out = append(out, name)
	}
	return out, nil
}
