package dataset

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/spelling"
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
	meaning, err := m.readHeader(names)
	if err != nil {
		return err
	}
	for {
		g.used = 0
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // names the line
		}
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
	all := r.image + r.label + r.split + r.group + r.weight + strings.Join(r.set.names, "")
	return strings.ToValidUTF8(all, "") == all
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

// readHeader says what each column means.
func (m *manifest) readHeader(names []string) ([]string, error) {
	meaning, from := make([]string, len(names)), map[string]string{}
	labelled := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(strings.TrimSpace(n), "label") })
	for i, name := range names {
		plain := strings.ToLower(strings.TrimSpace(name))
		means, err := columnOf(plain)
		if err != nil && m.cfg.MultiLabel && !labelled && plain != "" {
			meaning[i], from["label"] = yesNo+strings.TrimSpace(name), plain
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		if other, twice := from[means]; twice && !(m.cfg.MultiLabel && means == "label") {
			return nil, fmt.Errorf("header: the columns %q and %q mean the same", other, plain)
		}
		meaning[i], from[means] = means, plain
	}
	for _, needed := range []string{"image", "label"} {
		if from[needed] == "" {
			return nil, fmt.Errorf("header: no column %q in %q: the first line names the columns", needed, names)
		}
	}
	return meaning, nil
}

func columnOf(name string) (string, error) {
	var known []string
	for _, c := range columns {
		if c.name == name {
			return c.meaning, nil
		}
		known = append(known, c.name)
	}
	return "", fmt.Errorf("unknown column %q, want %s%s", name, strings.Join(known, ", "), spelling.Suggest(name, known))
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

// object takes a line of JSONL.
func (m *manifest) object(line int, text []byte) error {
	r, from := row{line: line, class: -1}, map[string]string{}
	err := fields(text, func(key string, value json.RawMessage) error {
		means, err := columnOf(key)
		if err != nil {
			return err
		}
		if other, twice := from[means]; twice {
			return fmt.Errorf("the keys %q and %q mean the same", other, key)
		}
		from[means] = key
		var s string
		switch {
		case string(value) == "null":
		case means == "label" && m.cfg.MultiLabel:
			return r.set.list(value)
		case means == "label" && value[0] == '[':
			return fmt.Errorf("label: got a list, %.40s, want a string; several labels a picture have to be "+
				"asked for (--multi-label)", value)
		case means == "weight" && value[0] != '"':
			s = string(value)
		default:
			if err := json.Unmarshal(value, &s); err != nil {
				return fmt.Errorf("%s: got %.40s, want a string", key, value)
			}
		}
		r.cell(means, s)
		return nil
	})
	if err != nil {
		return err
	}
	return m.add(r)
}

const sourceRef = "source-ref"

// augmented takes a line of an augmented manifest: {"source-ref": "s3://...", "class": 3,
// "class-metadata": {"class-name": "daisy"}}.
func (m *manifest) augmented(line int, text []byte) error {
	r := row{line: line, class: -1}
	attribute, value := m.cfg.Attribute, json.RawMessage(nil)
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
			}
			if err := json.Unmarshal(v, &about); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			names[base], maps[base] = about.Name, about.Map
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
