package hyperparameters

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/c236555e/rehead/internal/spelling"
)

// Setting is what a hyperparameter does.
type Setting struct {
	Set    func(value string) error // nil: the value is taken note of and changes nothing
	Check  func(value string) error // for a nil Set, optional: refuses what is no such value
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
			return nil, fmt.Errorf("sagemaker: hyperparameter %q is unknown: did you mean %q? Else leave it out. Known are %s",
				name, spelling.Nearest(name, proposed(table)), strings.Join(effective(table), ", "))
		}
		if setting.Set == nil && setting.Check != nil {
			if err := setting.Check(values[name]); err != nil {
				return nil, fmt.Errorf("sagemaker: hyperparameter %q: %w", name, err)
			}
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
