package serve

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// explainer is what a [Classifier] can also be: one that says why. *[inception.Classifier] is one.
type explainer interface {
	// Explain runs a forward pass over one picture, which is decoded, and explains the top most
	// probable labels, every label if top is 0 or less.
	Explain(ctx context.Context, in *inception.Input, top int) (*inception.Explanation, error)
}

// explanation is the answer of POST /v1/explain.
type explanation struct {
	Predictions []inception.Prediction `json:"predictions"`
	Labels      []string               `json:"labels,omitzero"`   // as in plainRecord
	Unknown     *bool                  `json:"unknown,omitempty"` // as in plainRecord
	reasons
	Embedding []float32 `json:"embedding,omitempty"`
}

// reasons are what led to an answer.
type reasons struct {
	Grid    inception.Grid        `json:"grid"`
	Maps    []inception.Map       `json:"maps"`
	Nearest []inception.Neighbour `json:"nearest,omitempty"`
	Unlike  bool                  `json:"unlike,omitempty"` // the picture is unlike all training pictures
}

// explain answers POST /v1/explain: one picture's bytes in, its ranking and what led to it out.
func (s *Server) explain(c *gin.Context) error {
	m, err := s.acquire()
	if err != nil {
		return err
	}
	defer m.release()
	o, err := s.options(c.Request)
	if err != nil {
		return err
	}
	held := &ledger{budget: s.bodies}
	defer held.release()
	body, err := s.body(c, held)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return badRequest("the body is empty, want the bytes of a picture")
	}
	if kind := contentType(c.Request, body); !kind.isPicture() {
		return fail(http.StatusUnsupportedMediaType,
			"the content type is not a picture's; send its bytes as image/*, application/x-image or application/octet-stream")
	}
	records := []record{{input: &inception.Input{Data: body}}}
	if err := m.requestExplanations(records, o.topK); err != nil {
		return err
	}
	size := m.labelsSize(m.topK(o.topK)).plus(m.labelsSize(m.multiLabels())).plus(m.explanationSize(m.topK(o.topK), true))
	if o.embedding {
		size = size.plus(m.embeddingSize())
	}
	if err := s.reserveAnswer(held, 1, size); err != nil {
		return err
	}
	results, err := s.pipeline.classify(c.Request.Context(), m, records, held, func(*inception.Result) {})
	if err != nil {
		return err
	}
	accessEntryOf(c).count(results)
	if err := results[0].Err; err != nil {
		return err
	}
	x := records[0].why
	answer := explanation{Predictions: topK(x.Predictions, o.topK), Labels: x.Labels, Unknown: x.Unknown,
		reasons: reasons{x.Grid, x.Maps, x.Nearest, x.Unlike}}
	if o.embedding {
		answer.Embedding = x.Bottleneck
	}
	c.Header("Cache-Control", "no-store")
	sendJSON(c, http.StatusOK, answer)
	return nil
}

// explain decodes a picture as every other, but runs it in a forward pass of its own.
func (p *pipeline) explain(ctx context.Context, m *model, r *record, result *inception.Result) error {
	pixels := m.buffer()
	defer m.recycle(pixels)
	err := p.decode(ctx, m, r.input, pixels, nil)
	if err == nil {
		r.why, err = p.explainDecoded(ctx, r)
	}
	if err != nil {
		return blame(ctx, err, result)
	}
	*result = r.why.Result
	return nil
}

// explainDecoded turns a panic of the forward pass into an error.
func (p *pipeline) explainDecoded(ctx context.Context, r *record) (x *inception.Explanation, err error) {
	since := time.Now()
	if err := enter(ctx, p.passes); err != nil {
		return nil, err
	}
	defer leave(p.passes)
	p.observe.queued(time.Since(since))
	p.turns.BeginPass()
	defer p.turns.EndPass()
	begin := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("serve: explaining a picture panicked: %v\n%s", r, debug.Stack())
		}
		p.observe.passed(1, time.Since(begin))
	}()
	return r.explainer.Explain(ctx, r.input, r.top)
}

// requestExplanations asks for the explanation of every record.
func (m *model) requestExplanations(records []record, top int) error {
	e, ok := m.Classifier.(explainer)
	if !ok {
		return fail(http.StatusNotImplemented, "this model cannot explain its answers")
	}
	for i := range records {
		records[i].explainer, records[i].top = e, top
	}
	return nil
}
