// Package hyperparameters reads a job's settings in every client's spelling and says what each name
// does: names.go has ours, those of other trainers that act, and those that change nothing.
package hyperparameters

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/internal/strictjson"
)

// Read reads hyperparameters.json: one flat object whose values are strings in the
// service. Clients spell them in several ways: as they are, as Python prints them (True, None), or
// as JSON inside the string ("\"sgd\"", "true", "0.1", "[\"flip\", \"crop=0.1\"]"). All come out as plain
// text: true and false in lower case, strings without quotes, lists with commas between, and null or
// None not at all. Hyphens in names become
// underscores, so that a name may be written as its flag is.
func Read(tree layout.Tree) (map[string]string, error) {
	raw := settings{}
	path := tree.Config("hyperparameters.json")
	if err := layout.ReadJSON(path, &raw); err != nil {
		return nil, err
	}
	out := make(map[string]string, len(raw))
	for name, value := range raw {
		if text, ok := plain(value, 2); ok {
			out[name] = text
		}
	}
	return out, nil
}

// settings is a flat JSON object by its names, with underscores for hyphens. Of a name that comes
// twice Go's decoder would take the last.
type settings map[string]json.RawMessage

// UnmarshalJSON reads the object, and refuses anything else and a name that comes twice.
func (s settings) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	err := strictjson.Members(data, func(name string, value json.RawMessage) error {
		name = strings.ReplaceAll(name, "-", "_")
		if _, twice := s[name]; twice {
			return fmt.Errorf("%q is given twice (hyphens are underscores): leave one out", name)
		}
		s[name] = value
		return nil
	})
	if errors.Is(err, strictjson.ErrNotObject) {
		return fmt.Errorf(`%w of settings, such as {"seed": "7"}`, err)
	}
	return err
}

// listed writes a list as flags take it, with commas between. Numbers, true, false, and what no flag takes
// stay as they are.
func listed(value json.RawMessage) string {
	var items []json.RawMessage
	if json.Unmarshal(value, &items) != nil {
		return string(value)
	}
	texts := make([]string, len(items))
	for i, item := range items {
		text, ok := plain(item, 1)
		if nested := item[0] == '[' || item[0] == '{'; !ok || nested || strings.Contains(text, ",") {
			return string(value)
		}
		texts[i] = text
	}
	return strings.Join(texts, ",")
}

// plain undoes up to depth layers of JSON in a string. ok is false for null.
func plain(value json.RawMessage, depth int) (text string, ok bool) {
	value = bytes.TrimSpace(value)
	if string(value) == "null" {
		return "", false
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return listed(value), true
	}
	switch strings.TrimSpace(s) {
	case "None", "null":
		return "", false
	case "True":
		return "true", true
	case "False":
		return "false", true
	}
	if depth > 1 && json.Valid([]byte(s)) {
		return plain(json.RawMessage(s), depth-1)
	}
	return s, true
}
