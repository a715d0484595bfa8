package serve

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// Headers of SageMaker's runtime that the server reads or writes.
const (
	headerAttributes  = "X-Amzn-SageMaker-Custom-Attributes"
	headerInferenceID = "X-Amzn-SageMaker-Inference-Id"
	headerRequestID   = "X-Request-Id"
)

// maxAttributes is how long SageMaker lets custom attributes be.
const maxAttributes = 1024

// options are what a request may ask for besides its answer. They come from the query, from the
// custom attributes (SageMaker passes no query on) and from the "parameters" of a JSON body, the
// later over the earlier.
type options struct {
	topK      int // labels to rank; negative: every one
	embedding bool
	explain   bool // say why, by activation maps
}

// options reads the query and the custom attributes.
func (s *Server) options(r *http.Request) (options, error) {
	o := options{topK: s.cfg.TopK}
	query := r.URL.Query()
	for _, key := range []string{"top_k", "embedding", "explain"} {
		if query.Has(key) {
			if err := o.set(key, query.Get(key)); err != nil {
				return o, err
			}
		}
	}
	attributes := r.Header.Get(headerAttributes)
	if len(attributes) > maxAttributes {
		return o, fail(http.StatusBadRequest, "%s has %d characters, want at most %d", headerAttributes, len(attributes),
			maxAttributes)
	}
	separator := func(c rune) bool { return c == ',' || c == ';' }
	for _, attribute := range strings.FieldsFunc(attributes, separator) {
		key, value, _ := strings.Cut(strings.TrimSpace(attribute), "=")
		name, ours := strings.CutPrefix(strings.ToLower(strings.TrimSpace(key)), "rehead-")
		if !ours {
			continue
		}
		if err := o.set(strings.ReplaceAll(name, "-", "_"), strings.TrimSpace(value)); err != nil {
			return o, err
		}
	}
	return o, nil
}

// set gives one option its value.
func (o *options) set(name, value string) error {
	switch name {
	case "top_k":
		k, err := strconv.Atoi(value)
		if err != nil || k < 0 {
			return fail(http.StatusBadRequest, "top_k is not a number of labels; want 1 or more, or 0 for every label")
		}
		o.topK = k
		if k == 0 {
			o.topK = -1
		}
	case "embedding", "explain":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return fail(http.StatusBadRequest, "%s is neither true nor false", name)
		}
		if name == "explain" {
			o.explain = on
		} else {
			o.embedding = on
		}
	default:
		return fail(http.StatusBadRequest, "unknown option; want top_k, embedding or explain")
	}
	return nil
}

// parameters reads the "parameters" object of a JSON body. Null is none.
func (o *options) parameters(ctx context.Context, data []byte) error {
	if string(data) == "null" {
		return nil
	}
	members, err := readObject(ctx, data, 3)
	if errors.Is(err, errTooManyKeys) {
		return o.set("", "")
	}
	if err != nil {
		return fail(http.StatusBadRequest, `"parameters" is not an object: %v`, err)
	}
	for _, m := range members {
		text := string(m.value[:min(len(m.value), longestKey)])
		if len(text) > 1 && text[0] == '"' {
			text = strings.Trim(text, `"`)
		}
		if err := o.set(m.key, text); err != nil {
			return err
		}
	}
	return nil
}
