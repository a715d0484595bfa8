package sagemaker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/c236555e/rehead/internal/strictjson"
)

// Hyperparameters reads hyperparameters.json: one flat object whose values are strings in the
// service. Clients spell them in several ways: as they are, as Python prints them (True, None), or
// as JSON inside the string ("\"sgd\"", "true", "0.1"). All come out as plain text: true and false
// in lower case, strings without quotes, and null or None not at all. Hyphens in names become
// underscores, so that a name may be written as its flag is.
func (l Layout) Hyperparameters() (map[string]string, error) {
	raw := settings{}
	path := l.config("hyperparameters.json")
	if err := readJSON(path, &raw); err != nil {
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

// UnmarshalJSON reads the object, and refuses what is none and a name that comes twice.
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

// plain undoes up to depth layers of JSON in a string. ok is false for null.
func plain(value json.RawMessage, depth int) (text string, ok bool) {
	value = bytes.TrimSpace(value)
	if string(value) == "null" {
		return "", false
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return string(value), true // a number, true, false, a list
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

// Setting is what a hyperparameter does.
type Setting struct {
	Set    func(value string) error // nil: the value is taken note of and changes nothing
	Reason string                   // for a nil Set: why it changes nothing, a clause
	Refuse bool                     // Set refuses every value, and says what to do instead; the name is not proposed
}

// Apply sets every hyperparameter through table, in the order of their names, and returns a note
// for each that changes nothing. A name that the table lacks is an error with the nearest name that
// it has; names that the service and its clients add of themselves are passed over.
func Apply(values map[string]string, table map[string]Setting) (notes []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if internal(name) {
			continue
		}
		setting, known := table[name]
		if !known {
			return nil, fmt.Errorf("sagemaker: hyperparameter %q is unknown: did you mean %q? Known are %s", name,
				Nearest(name, proposed(table)),
				strings.Join(effective(table), ", "))
		}
		if setting.Set == nil {
			notes = append(notes, fmt.Sprintf("hyperparameter %s=%s changes nothing: %s", name, values[name], setting.Reason))
			continue
		}
		if err := setting.Set(values[name]); err != nil {
			return nil, fmt.Errorf("sagemaker: hyperparameter %q: %w", name, err)
		}
	}
	return notes, nil
}

// proposed lists the names that a job may have.
func proposed(table map[string]Setting) []string {
	var names []string
	for name, s := range table {
		if !s.Refuse {
			names = append(names, name)
		}
	}
	return names
}

// effective lists the names that change something.
func effective(table map[string]Setting) []string {
	var names []string
	for name, s := range table {
		if s.Set != nil && !s.Refuse {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// internal names are added by the service's tuner and by its clients.
func internal(name string) bool {
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "sagemaker_") || name == "model_dir"
}

// Nearest returns the candidate with the fewest single-letter edits from name; of equals the first
// in order.
func Nearest(name string, candidates []string) string {
	slices.Sort(candidates)
	best, least := "", len(name)+1<<10
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}
