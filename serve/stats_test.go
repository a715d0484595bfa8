package serve

import (
	"errors"
	"net/http"
	"testing"
)

func TestModelStats(t *testing.T) {
	f := &fake{}
	s := newServer(t, f, Config{})
	read := func() (pictures, passes, answered, failed, last int64) {
		t.Helper()
		w := do(s.Handler(), http.MethodGet, "/v2/models/model/stats", nil)
		wantStatus(t, w, http.StatusOK, `"version":"1"`)
		of := &s.current.batcher.stats
		return of.pictures.Load(), of.passes.count.Load(), of.answered.count.Load(), of.failed.count.Load(), of.last.Load()
	}
	if pictures, passes, answered, failed, last := read(); pictures+passes+answered+failed+last != 0 {
		t.Errorf("got counts of a model that was asked nothing")
	}
	picture := colorPNG(t, 5, 4, blue)
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", picture), http.StatusOK, "")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/models/model/infer", picture, headerInferLength, "0"), http.StatusOK, "")
	f.fault = errors.New("broken")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", picture), http.StatusInternalServerError, "")
	if pictures, passes, answered, failed, last := read(); pictures != 3 || passes != 3 || answered != 2 || failed != 1 || last == 0 {
		t.Errorf("got %d pictures, %d passes, %d answered, %d failed, want 3, 3, 2, 1", pictures, passes, answered, failed)
	}
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/models/model/versions/1/stats", nil), http.StatusOK,
		`"execution_count":3,"inference_count":3`)
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/models/other/stats", nil), http.StatusNotFound, "error")
}
