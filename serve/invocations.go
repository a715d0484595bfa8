package serve

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// offers are the types of an answer, the default first.
func (s *Server) offers(kind mediaType) []string {
	offers := []string{typeJSON, typeVerboseJSON, typeJSONLines, typeCSV, typeNPY}
	preferred := s.cfg.DefaultAccept
	if preferred == "" && s.cfg.Batch && (kind.name == typeJSONLines || kind.name == typeCSV) {
		preferred = typeJSONLines
	}
	if preferred == "" || preferred == typeJSON {
		return offers
	}
	offers = slices.DeleteFunc(offers, func(o string) bool { return o == preferred })
	return append([]string{preferred}, offers...)
}

// invocations answers POST /invocations: pictures in, ranked labels out.
func (s *Server) invocations(c *gin.Context) error {
	m, err := s.acquire()
	if err != nil {
		return err
	}
	defer m.release()
	return s.invoke(c, m)
}

// invoke answers one request with the model.
func (s *Server) invoke(c *gin.Context, m *model) error {
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
	kind := contentType(c.Request, body)
	if len(body) == 0 && !(kind.isPicture() && s.errorsInPlace()) {
		return badRequest("the body is empty, want a picture's bytes or records with pictures")
	}
	form, ok := negotiate(c.Request.Header.Values("Accept"), s.offers(kind)...)
	if !ok {
		return fail(http.StatusNotAcceptable, "none of the types in Accept is supported; this server answers with %s",
			strings.Join(s.offers(kind), ", "))
	}
	ctx := c.Request.Context()
	records, l, err := s.requestParser(ctx, held).parse(kind, body, &o)
	if err != nil {
		return err
	}
	a := responseWriter{form: form, compat: s.cfg.Compat, layout: l, opts: o, model: m, asked: records, page: s.cfg.Page}
	if err := a.check(); err != nil {
		return err
	}
	if err := s.reserveAnswer(held, len(records), a.size()); err != nil {
		return err
	}
	if o.explain {
		if err := m.requestExplanations(records, o.topK); err != nil {
			return err
		}
	}
	results, err := s.pipeline.classify(ctx, m, records, held, a.trim)
	if err != nil {
		return err
	}
	accessEntryOf(c).count(results)
	if err := s.firstError(results, l); err != nil {
		return err
	}
	answer, err := a.write(ctx, results)
	if err != nil {
		return err
	}
	echoAttributes(c)
	answer.send(c, form)
	return nil
}

func (s *Server) requestParser(ctx context.Context, held *ledger) requestParser {
	return requestParser{maxRecords: s.cfg.MaxRecords, urls: s.cfg.Fetch != nil, text: s.cfg.Compat == CompatTFBlog,
		ctx: ctx, held: held}
}

// errorsInPlace reports whether an error takes the place of a picture that could not be read.
func (s *Server) errorsInPlace() bool { return s.cfg.Batch || s.cfg.Placeholders }

// firstError answers for the first picture that could not be read, unless the server stands in for
// it: then the other pictures keep their answers.
func (s *Server) firstError(results []inception.Result, l layout) error {
	if s.errorsInPlace() {
		return nil
	}
	for i := range results {
		if results[i].Err == nil {
			continue
		}
		status := *asStatus(results[i].Err)
		if l != layoutOne {
			status.msg = "record " + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(results)) + ": " + status.msg
		}
		return &status
	}
	return nil
}

// echoAttributes gives a client its custom attributes back, by which it can tell its answers apart:
// SageMaker passes on only what the container sets.
func echoAttributes(c *gin.Context) {
	if attributes := c.Request.Header.Get(headerAttributes); attributes != "" && visible(attributes) {
		c.Header(headerAttributes, attributes)
	}
}

// visible reports whether text is printable ASCII.
func visible(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
