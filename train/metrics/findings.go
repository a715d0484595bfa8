package metrics

import "path/filepath"

// LabelErrors are pictures whose label may be wrong.
type LabelErrors struct {
	Method string       `json:"method"` // how the probabilities came about, one sentence
	Judged int          `json:"judged"` // pictures that have one
	Found  int          `json:"found"`  // suspected of them
	List   []LabelError `json:"list"`   // the least probable label first, up to 100
}

// LabelError is a picture that looks like another label.
type LabelError struct {
	Image       string  `json:"image"` // Item.Rel
	Label       string  `json:"label"`
	Suggested   string  `json:"suggested"`
	Probability float64 `json:"probability"`          // of Suggested
	OfLabel     float64 `json:"probability_of_label"` //
	Part        string  `json:"part"`                 // "train", "validation" or "test"
}

// Outlier is a picture far from all others of its label.
type Outlier struct {
	Image string `json:"image"` // Item.Rel
	Label string `json:"label"`
	// from the middle of the label's bottlenecks, in robust deviations beyond the label's median
	Distance float64 `json:"distance"`
}

// Unknown says what the line between known and unknown pictures is worth.
type Unknown struct {
	FalseReject float64   `json:"false_reject"`      // share of known pictures that was asked for
	Threshold   float64   `json:"threshold"`         // of inception.UnknownScore
	Validation  int       `json:"validation"`        // pictures that it was fitted on
	Test        *float64  `json:"test_false_reject"` // share of the test part below it; null without one
	Detected    *float64  `json:"detected"`          // mean of LeftOut; null where nothing could be left out
	LeftOut     []LeftOut `json:"left_out"`
}

// LeftOut is a label that a head was trained without, its pictures standing for what is
// unknown.
type LeftOut struct {
	Label    string  `json:"label"`
	Images   int     `json:"images"`
	Detected float64 `json:"detected"` // share of them that such a head with a line of its own takes for unknown
}

// Relative returns a path as metrics and reports show it, the same wherever the folder lies: below
// root, with slashes, or its last element where it lies elsewhere.
func Relative(root, path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil || !filepath.IsLocal(rel) {
		rel = filepath.Base(path)
	}
	return filepath.ToSlash(rel)
}
