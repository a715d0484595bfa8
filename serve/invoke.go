package serve

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// answer is the JSON of one picture.
type answer struct {
	Predictions []inception.Prediction `json:"predictions"` // ranked, best first
}

// invocations answers POST /invocations: a picture in, ranked labels out.
func (s *Server) invocations(c *gin.Context) error {
	m, err := s.acquire()
	if err != nil {
		return err
	}
	defer m.release()
	form, ok := negotiate(c.Request.Header.Values("Accept"), typeJSON)
	if !ok {
		return fail(http.StatusNotAcceptable, "no type of Accept can be answered; this server answers %s", typeJSON)
	}
	top, err := s.topK(c.Request)
	if err != nil {
		return err
	}
	body, release, err := readBody(c.Writer, c.Request, s.cfg.MaxBodyBytes, s.bodies)
	defer release()
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return fail(http.StatusBadRequest, "the body is empty, want the bytes of a picture")
	}
	if kind := contentType(c.Request, body); !kind.isPicture() {
		return fail(http.StatusUnsupportedMediaType,
			"content type %q is not supported; send a picture's bytes as image/jpeg, image/png, %s or %s", kind.name, typeImage, typeBytes)
	}
	results, err := m.Classify(c.Request.Context(), s.cfg.Limits, body)
	if err != nil {
		return err
	}
	if err := results[0].Err; err != nil {
		return err
	}
	c.Header("Content-Type", form)
	c.JSON(http.StatusOK, answer{Predictions: first(results[0].Predictions, top)})
	return nil
}

// topK reads the query's top_k: how many labels to rank, 0 for every one.
func (s *Server) topK(r *http.Request) (int, error) {
	text := r.URL.Query().Get("top_k")
	if text == "" {
		return s.cfg.TopK, nil
	}
	k, err := strconv.Atoi(text)
	if err != nil || k < 0 {
		return 0, fail(http.StatusBadRequest, "top_k is not a count of labels; want 1 or more, or 0 for every label")
	}
	if k == 0 {
		return -1, nil
	}
	return k, nil
}

// first returns the k best of a ranking, all of it for a negative k.
func first(ranked []inception.Prediction, k int) []inception.Prediction {
	if k < 0 || k > len(ranked) {
		k = len(ranked)
	}
	return ranked[:k]
}
