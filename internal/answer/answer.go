// Package answer is what predicting prints of a picture: the object of a line of JSON, and the cells
// of a line of CSV.
package answer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
)

// Row is the answer for one picture.
type Row struct {
	Image       string                 `json:"image"`
	Predictions []inception.Prediction `json:"predictions,omitempty"`
	// that the picture has, of a model that gives any number of them; absent elsewhere
	Labels []string `json:"labels,omitzero"`
	// of none of the labels; absent where the model does not tell
	Unknown *bool  `json:"unknown,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Of is the row of the picture at path, with its most probable labels.
func Of(path string, r inception.Result, top int) Row {
	if r.Err != nil {
		return Row{Image: path, Error: OneLine(r.Err)}
	}
	return Row{Image: path, Predictions: r.Predictions[:min(top, len(r.Predictions))], Labels: r.Labels,
		Unknown: r.Unknown}
}

// OneLine is an error as a cell or a line holds it.
func OneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// Header are the names of Cells; several says that a picture may have several labels.
func Header(top int, several bool) []string {
	header := []string{"image", "label", "probability"}
	for n := 2; n <= top; n++ {
		header = append(header, fmt.Sprintf("label_%d", n), fmt.Sprintf("probability_%d", n))
	}
	if several {
		header = append(header, "labels")
	}
	return append(header, "unknown", "error")
}

// Cells is the row as a line of CSV.
func (r Row) Cells(top int, several bool) []string {
	cells := []string{r.Image}
	for n := range top {
		if n >= len(r.Predictions) {
			cells = append(cells, "", "")
			continue
		}
		cells = append(cells, r.Predictions[n].Label,
			strconv.FormatFloat(r.Predictions[n].Probability, 'g', -1, 32))
	}
	if several {
		cells = append(cells, strings.Join(r.Labels, "|"))
	}
	unknown := ""
	if r.Unknown != nil {
		unknown = strconv.FormatBool(*r.Unknown)
	}
	return append(cells, unknown, r.Error)
}
