package serve

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// Explainer is what a [Classifier] can also be: one that says why. *[inception.Classifier] is one.
type Explainer interface {
	// ExplainPixels runs a forward pass over one picture, pixels [3,Size,Size] and info as Model().Recipe.Load gives
	// them, and explains the top most probable labels, every label if top is 0 or less.
	ExplainPixels(ctx context.Context, pixels []float32, info dataset.Info, top int) (*inception.Explanation, error)
}

// explanation is the answer of POST /v1/explain.
type explanation struct {
	Predictions []inception.Prediction `json:"predictions"`
	Grid        inception.Grid         `json:"grid"`
	Maps        []inception.Map        `json:"maps"`
	Nearest     []inception.Neighbour  `json:"nearest,omitempty"`
	Embedding   []float32              `json:"embedding,omitempty"`
}

// explain answers POST /v1/explain: one picture's bytes in, its ranking and what led to it out.
func (s *Server) explain(c *gin.Context) error {
	m, err := s.acquire()
	if err != nil {
		return err
	}
	defer m.release()
	e, ok := m.Classifier.(Explainer)
	if !ok {
		return fail(http.StatusNotImplemented, "this model cannot explain its answers")
	}
	o, err := s.options(c.Request)
	if err != nil {
		return err
	}
	body, release, err := s.body(c)
	defer release()
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return bad("the body is empty, want the bytes of a picture")
	}
	if kind := contentType(c.Request, body); !kind.isPicture() {
		return fail(http.StatusUnsupportedMediaType, "the content type is not a picture's; send its bytes as image/*, application/x-image or application/octet-stream")
	}
	note(c).pictures = 1
	x, err := s.pipeline.explain(c.Request.Context(), m, e, body, o.topK)
	if err != nil {
		if asStatus(err).code < http.StatusInternalServerError {
			note(c).bad = 1
		}
		return err
	}
	answer := explanation{Predictions: first(x.Predictions, o.topK), Grid: x.Grid, Maps: x.Maps, Nearest: x.Nearest}
	if o.embedding {
		answer.Embedding = x.Bottleneck
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, answer)
	return nil
}

// explain takes one picture the way of every other, but for its forward pass, which it does not share.
func (p *pipeline) explain(ctx context.Context, m *model, e Explainer, data []byte, top int) (*inception.Explanation, error) {
	release, err := p.admit(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := enter(ctx, p.buffers); err != nil {
		return nil, err
	}
	defer leave(p.buffers)
	pixels := m.buffer()
	defer m.recycle(pixels)
	info, err := p.load(ctx, m, &record{data: data}, pixels)
	if err != nil {
		return nil, err
	}
	since := time.Now()
	if err := enter(ctx, p.passes); err != nil {
		return nil, err
	}
	defer leave(p.passes)
	p.observe.queued(time.Since(since))
	p.gate.begin()
	defer p.gate.end()
	begin := time.Now()
	defer func() { p.observe.passed(1, time.Since(begin)) }()
	return guardedExplain(ctx, e, pixels, info, top)
}

// load decodes a picture when the gate lets it.
func (p *pipeline) load(ctx context.Context, m *model, r *record, pixels []float32) (dataset.Info, error) {
	release, err := p.room(ctx, r)
	if err != nil {
		return dataset.Info{}, err
	}
	defer release()
	if err := p.gate.enter(ctx); err != nil {
		return dataset.Info{}, err
	}
	defer p.gate.leave()
	return p.decode(m, r, pixels)
}

// guardedExplain turns a panic of the forward pass into an error.
func guardedExplain(ctx context.Context, e Explainer, pixels []float32, info dataset.Info, top int) (x *inception.Explanation, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("serve: explaining a picture panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return e.ExplainPixels(ctx, pixels, info, top)
}
