package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// documentKind tells a JSON object that is a list as a whole by its first key: COCO, FiftyOne, or
// "" for JSON lines.
func documentKind(head []byte) string {
	d := json.NewDecoder(bytes.NewReader(head))
	open, err := d.Token()
	key, err2 := d.Token()
	value, err3 := d.Token()
	if err != nil || err2 != nil || err3 != nil || open != json.Delim('{') {
		return ""
	}
	list, object := value == json.Delim('['), value == json.Delim('{')
	switch key {
	case "images", "annotations", "categories", "licenses":
		if list {
			return COCO
		}
	case "info":
		if object {
			return COCO
		}
	case "classes":
		if list || value == nil {
			return FiftyOne
		}
	case "labels":
		if object {
			return FiftyOne
		}
	}
	return ""
}

// document reads a JSON object piece by piece, none of which may be longer than maxRecord.
type document struct {
	*json.Decoder
	g *guard
}

func newDocument(r io.Reader) document {
	g := &guard{r: r}
	return document{json.NewDecoder(g), g}
}

// each goes over the members of an object, with their keys, or the elements of a list.
func (d document) each(do func(key string) error) error {
	open, err := d.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') && open != json.Delim('[') {
		return fmt.Errorf("got %v, want a list or an object", open)
	}
	for d.More() {
		d.g.used = 0
		key := ""
		if open == json.Delim('{') {
			t, err := d.Token()
			if err != nil {
				return err
			}
			key, _ = t.(string)
		}
		if err := do(key); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// skip passes over a value.
func (d document) skip() error {
	for depth := 0; ; {
		d.g.used = 0
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// readFiftyOne reads the labels.json of FiftyOne's image classification data sets: {"classes":
// [...], "labels": {"name without extension": a number or a name, a list of them or an object with
// one}}.
func (m *manifest) readFiftyOne(r io.Reader) error {
	d := newDocument(r)
	var rows []row
	var classes []string
	err := d.each(func(key string) error {
		switch key {
		case "classes":
			return d.Decode(&classes)
		case "labels":
			return d.each(func(name string) error {
				var value json.RawMessage
				if err := d.Decode(&value); err != nil {
					return err
				}
				one := row{line: len(rows) + 1, image: name, class: -1}
				if err := one.fiftyOne(value, m.cfg.MultiLabel); err != nil {
					return fmt.Errorf("picture %q: %w", name, err)
				}
				rows = append(rows, one)
				return nil
			})
		}
		return d.skip()
	})
	if err != nil {
		return err
	}
	if m.cfg.Classes == nil {
		m.cfg.Classes = classes
	}
	for _, one := range rows {
		if one.label == "" && one.class < 0 && !m.cfg.MultiLabel {
			err = m.setAside(one, "it has no label")
		} else {
			err = m.add(one)
		}
		if err != nil {
			return fmt.Errorf("picture %q: %w", one.image, err)
		}
	}
	return nil
}

// fiftyOne takes a label, or a list of them.
func (r *row) fiftyOne(value json.RawMessage, several bool) error {
	switch {
	case value[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(value, &list); err != nil {
			return err
		}
		if !several {
			return errors.New("got a list of labels, want one; several labels a picture have to be asked for (--multi-label)")
		}
		for _, v := range list {
			if v[0] == '[' {
				return fmt.Errorf("got %.40s in a list of labels, want a number or a name", v)
			}
			if err := r.fiftyOne(v, several); err != nil {
				return err
			}
		}
		return nil
	case value[0] == '{':
		var about struct{ Label json.RawMessage }
		if err := json.Unmarshal(value, &about); err != nil {
			return err
		}
		if len(about.Label) == 0 || about.Label[0] == '{' {
			return fmt.Errorf("got %.40s, want a key \"label\"", value)
		}
		return r.fiftyOne(about.Label, several)
	case string(value) == "null":
		return nil
	case value[0] == '"':
		if err := json.Unmarshal(value, &r.label); err != nil || !several {
			return err
		}
		r.set.names, r.label = append(r.set.names, r.label), ""
		return nil
	}
	n, err := classNumber(string(value))
	if err == nil && several {
		r.set.numbers = append(r.set.numbers, n)
	} else if err == nil {
		r.class = n
	}
	return err
}

// objects are a picture and the names of the objects in it.
type objects struct {
	image string
	names []string
}

// coco is what a COCO file holds.
type coco struct {
	ids        []string            // of the images, in their order
	images     map[string]string   // file names by id
	categories map[string]string   // names by id
	of         map[string][]string // ids of the categories of an image's objects
}

// take takes an element of the list that key names.
func (c *coco) take(key string, n int, value json.RawMessage) error {
	var one struct {
		ID         json.RawMessage `json:"id"`
		ImageID    json.RawMessage `json:"image_id"`
		CategoryID json.RawMessage `json:"category_id"`
		FileName   string          `json:"file_name"`
		Name       string          `json:"name"`
	}
	if err := json.Unmarshal(value, &one); err != nil {
		return fmt.Errorf("entry %d of %q: %w", n, key, err)
	}
	switch id, image := string(one.ID), string(one.ImageID); key {
	case "images":
		if one.FileName == "" || c.images[id] != "" {
			return fmt.Errorf("entry %d of %q: got file_name %q and id %s, want a name, and an id of its own", n, key,
				one.FileName, id)
		}
		c.ids, c.images[id] = append(c.ids, id), one.FileName
	case "annotations":
		c.of[image] = append(c.of[image], string(one.CategoryID))
	case "categories":
		c.categories[id] = one.Name
	}
	return nil
}

// readCOCO reads the images, annotations and categories of COCO.
func (m *manifest) readCOCO(r io.Reader) error {
	d := newDocument(r)
	c := coco{images: map[string]string{}, categories: map[string]string{}, of: map[string][]string{}}
	err := d.each(func(key string) error {
		switch key {
		case "images", "annotations", "categories":
		default:
			return d.skip()
		}
		n := 0
		return d.each(func(string) error {
			var value json.RawMessage
			if err := d.Decode(&value); err != nil {
				return err
			}
			if n++; n > 4*m.cfg.MaxRows {
				return fmt.Errorf("more than %d entries of %q: raise the limit", n-1, key)
			}
			return c.take(key, n, value)
		})
	})
	if err != nil {
		return err
	}
	list := make([]objects, len(c.ids))
	for i, id := range c.ids {
		list[i].image = c.images[id]
		for _, category := range c.of[id] {
			name := c.categories[category]
			if name == "" {
				return fmt.Errorf("image %q has an object of category %s, which \"categories\" does not name", list[i].image,
					category)
			}
			list[i].names = append(list[i].names, name)
		}
	}
	return m.addObjects(list)
}

// addObjects takes pictures with the objects in them, one each unless several labels are asked for.
func (m *manifest) addObjects(list []objects) error {
	several, first := 0, -1
	for i, o := range list {
		if len(o.names) > 1 {
			if several++; first < 0 {
				first = i
			}
		}
	}
	if several > 0 && !m.cfg.MultiLabel {
		o := list[first]
		return fmt.Errorf("%d of %d pictures have more than one object, such as %q (%s): a picture has one label: cut the "+
			"objects out, or ask for all labels of a picture (--multi-label)", several, len(list), o.image,
			strings.Join(o.names[:min(len(o.names), 5)], ", "))
	}
	for i, o := range list {
		one := row{line: i + 1, image: o.image, class: -1}
		var err error
		switch {
		case m.cfg.MultiLabel:
			one.set.names = o.names
			err = m.add(one)
		case len(o.names) == 0:
			err = m.setAside(one, "it has no object")
		default:
			one.label = o.names[0]
			err = m.add(one)
		}
		if err != nil {
			return fmt.Errorf("image %q: %w", o.image, err)
		}
	}
	return nil
}
