package serve

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// Compat is whose answers the server gives.
type Compat string

// The containers that clients may have been written for.
const (
	// CompatNone answers Rehead's own records.
	CompatNone Compat = ""
	// CompatBuiltin answers as SageMaker's built-in image classification does: a bare array of
	// probabilities in the order of the classes, and {"prediction": [...]} for JSON Lines.
	CompatBuiltin Compat = "builtin"
	// CompatTFBlog takes text/plain, a picture's URL, and answers {"label": "probability"} of the
	// best, as the container of AWS's blog post of 2018 on InceptionV3 does.
	CompatTFBlog Compat = "tfblog"
)

// plainRecord is Rehead's own record: what one picture is answered.
type plainRecord struct {
	Predictions []inception.Prediction `json:"predictions"` // ranked, best first
	// that the picture has, of a model that gives any number of them; absent elsewhere
	Labels []string `json:"labels,omitzero"`
	// of none of the labels; absent where the model does not tell
	Unknown     *bool     `json:"unknown,omitempty"`
	Embedding   []float32 `json:"embedding,omitempty"`
	Explanation *reasons  `json:"explanation,omitempty"`
}

// verboseRecord is the record of application/json;verbose, both lists in the order of the classes.
type verboseRecord struct {
	Probabilities  []float64 `json:"probabilities"`
	Labels         []string  `json:"labels"`
	PredictedLabel string    `json:"predicted_label"`           // the most probable one
	Predicted      []string  `json:"predicted_labels,omitzero"` // all that the picture has, as in plainRecord
	Unknown        *bool     `json:"unknown,omitempty"`         // as in plainRecord
	Embedding      []float32 `json:"embedding,omitempty"`
	Explanation    *reasons  `json:"explanation,omitempty"`
}

// errorRecord stands in for a picture that could not be read.
type errorRecord struct {
	Error string `json:"error"`
}

// responseWriter writes the results of one request.
type responseWriter struct {
	form   string // one of the offered media types
	compat Compat
	layout layout
	opts   options
	model  *model
	asked  []record // whose explanations are answered
	page   bool     // training pictures may be shown
}

// check refuses options that the form of the answer has no room for.
func (a responseWriter) check() error {
	switch {
	case !a.opts.embedding && !a.opts.explain:
	case a.form == typeCSV, a.form == typeNPY:
		return fail(http.StatusNotAcceptable, "an embedding or explanation cannot be answered as CSV or %s; accept %s",
			typeNPY, typeJSON)
	case a.compat != CompatNone && a.form != typeVerboseJSON:
		return fail(http.StatusNotAcceptable, "this server's answers cannot hold an embedding or explanation; accept %s",
			typeVerboseJSON)
	}
	return nil
}

// reasons returns the explanation of picture i, nil where none was asked for. The training pictures
// are shown where the page is, which shows them too.
func (a responseWriter) reasons(i int) *reasons {
	if i >= len(a.asked) || a.asked[i].why == nil {
		return nil
	}
	x := a.asked[i].why
	r := &reasons{Grid: x.Grid, Maps: x.Maps, Unlike: x.Unlike}
	if a.page {
		r.Nearest = x.Nearest
	}
	return r
}

// trim drops what the answer does not show of a result.
func (a responseWriter) trim(r *inception.Result) {
	if !a.opts.embedding {
		r.Bottleneck = nil
	}
	if a.form != typeVerboseJSON && a.form != typeNPY && a.compat != CompatBuiltin {
		r.Predictions = slices.Clone(topK(r.Predictions, a.opts.topK))
	}
}

// answer is the body of an answer, in pieces.
type answer [][]byte

// size is the body's length, in bytes.
func (a answer) size() (n int) {
	for _, piece := range a {
		n += len(piece)
	}
	return n
}

// send writes the answer; nothing may follow it.
func (a answer) send(c *gin.Context, form string) {
	c.Header("Content-Type", form)
	c.Header("Content-Length", strconv.Itoa(a.size()))
	c.Status(http.StatusOK)
	for _, piece := range a {
		if _, err := c.Writer.Write(piece); err != nil {
			return // the client is gone
		}
	}
}

// sendJSON answers with v, of exactly the type application/json, which clients compare.
func sendJSON(c *gin.Context, code int, v any) {
	data, err := json.Marshal(v)
	if err != nil { // of none of the answers here
		panic(fmt.Errorf("serve: writing JSON: %w", err))
	}
	c.Data(code, typeJSON, data)
}

// write returns the body of the answer. It ends with ctx.
func (a responseWriter) write(ctx context.Context, results []inception.Result) (answer, error) {
	before, between, after := `{"predictions":[`, ",", "]}"
	switch {
	case a.form == typeNPY:
		return a.npy(ctx, results)
	case a.form == typeCSV && a.compat != CompatTFBlog:
		return a.csv(ctx, results)
	case a.form == typeJSONLines:
		before, between, after = "", "\n", "\n"
	case a.layout == layoutOne:
		before, after = "", ""
	case a.layout == layoutInputs:
		before = `{"outputs":[`
	}
	pieces := make(answer, 0, 2*len(results)+1)
	for i := range results {
		r, err := a.record(i, &results[i])
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			before = between
		}
		pieces = append(pieces, []byte(before), r)
		results[i] = inception.Result{}
	}
	return append(pieces, []byte(after)), nil
}

// record writes result i as JSON.
func (a responseWriter) record(i int, r *inception.Result) (json.RawMessage, error) {
	if r.Err != nil {
		return json.Marshal(errorRecord{asStatus(r.Err).msg})
	}
	var embedding []float32
	if a.opts.embedding {
		embedding = r.Bottleneck
	}
	switch {
	case a.form == typeVerboseJSON:
		return json.Marshal(verboseRecord{
			Probabilities:  a.model.probabilities(r),
			Labels:         a.model.Model().Labels,
			PredictedLabel: r.Predictions[0].Label,
			Predicted:      r.Labels,
			Unknown:        r.Unknown,
			Embedding:      embedding,
			Explanation:    a.reasons(i),
		})
	case a.compat == CompatTFBlog:
		object, err := labelObject(topK(r.Predictions, a.opts.topK))
		if a.layout != layoutOne && a.form != typeJSONLines && err == nil {
			return json.Marshal(json.RawMessage(object)) // without white space
		}
		return object, err
	case a.compat == CompatBuiltin && a.form == typeJSONLines:
		return json.Marshal(map[string][]float64{"prediction": a.model.probabilities(r)})
	case a.compat == CompatBuiltin:
		return json.Marshal(a.model.probabilities(r))
	}
	return json.Marshal(plainRecord{Predictions: topK(r.Predictions, a.opts.topK), Labels: r.Labels, Unknown: r.Unknown,
		Embedding: embedding, Explanation: a.reasons(i)})
}

// csv writes a row a picture: label and probability by turns, best first, or, for CompatBuiltin,
// the probabilities in the order of the classes. A picture that could not be read has an empty cell
// and the reason.
func (a responseWriter) csv(ctx context.Context, results []inception.Result) (answer, error) {
	pieces := make(answer, 0, len(results))
	for i := range results {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if err := w.Write(a.row(&results[i])); err != nil {
			return nil, fmt.Errorf("serve: writing CSV: %w", err)
		}
		w.Flush()
		if err := errors.Join(w.Error(), ctx.Err()); err != nil {
			return nil, err
		}
		pieces = append(pieces, bytes.Clone(b.Bytes()))
		results[i] = inception.Result{}
	}
	return pieces, nil
}

func (a responseWriter) row(r *inception.Result) []string {
	if r.Err != nil {
		return []string{"", asStatus(r.Err).msg}
	}
	var row []string
	if a.compat == CompatBuiltin {
		for _, p := range a.model.probabilities(r) {
			row = append(row, formatFloat(p))
		}
		return row
	}
	for _, p := range topK(r.Predictions, a.opts.topK) {
		row = append(row, p.Label, formatFloat(p.Probability))
	}
	return row
}

// labelObject is {"label": "probability"}, the best first.
func labelObject(ranked []inception.Prediction) ([]byte, error) {
	b := []byte{'{'}
	for i, p := range ranked {
		label, err := json.Marshal(p.Label)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, label...)
		b = append(b, `: "`...)
		b = append(b, formatFloat(p.Probability)...)
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

// formatFloat gives the shortest digits that read back as the same float64.
func formatFloat(p float64) string { return strconv.FormatFloat(p, 'g', -1, 64) }

// topK returns the k best of a ranking, all of it for a negative k.
func topK(ranked []inception.Prediction, k int) []inception.Prediction {
	if k < 0 || k > len(ranked) {
		k = len(ranked)
	}
	return ranked[:k]
}

// probabilities are a result's in the order of the classes.
func (m *model) probabilities(r *inception.Result) []float64 {
	p := make([]float64, len(m.index))
	for _, prediction := range r.Predictions {
		p[m.index[prediction.Label]] = prediction.Probability
	}
	return p
}
