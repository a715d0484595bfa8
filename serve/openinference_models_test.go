package serve

import (
	"encoding/base64"
	"net/http"
	"testing"
)

func TestModelConfigAndIndex(t *testing.T) {
	s := newServer(t, nil, Config{ModelName: "flowers"})
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/repository/index", []byte("{}")), http.StatusOK, "[]")
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/models/flowers/config", nil), http.StatusNotFound, "error")
	if err := s.Install(t.Context(), &fake{}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/repository/index", nil), http.StatusOK,
		`[{"name":"flowers","version":"1","state":"READY","reason":""}]`)
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v2/", nil), http.StatusOK, `"name":"rehead"`)
	for _, target := range []string{"/v2/models/flowers/config", "/v2/models/flowers/versions/1/config"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusOK,
			`"max_batch_size":0,"input":[{"name":"image","data_type":"TYPE_STRING","dims":[-1]},`)
	}
}

// KServe's first protocol: its answer is that of /invocations.
func TestPredictV1(t *testing.T) {
	s := newServer(t, &fake{}, Config{ModelName: "flowers"})
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v1/models", nil), http.StatusOK, `{"models":["flowers"]}`)
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v1/models/flowers", nil), http.StatusOK, `{"name":"flowers","ready":true}`)
	wantStatus(t, do(s.Handler(), http.MethodGet, "/v1/models/other", nil), http.StatusNotFound, "error")
	body := []byte(`{"instances":[{"b64":"` + base64.StdEncoding.EncodeToString(colorPNG(t, 5, 4, blue)) + `"}]}`)
	want := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", typeJSON)
	for _, headers := range [][]string{nil, {"Content-Type", typeJSON}} {
		w := do(s.Handler(), http.MethodPost, "/v1/models/flowers:predict", body, headers...)
		wantStatus(t, w, http.StatusOK, `{"predictions":[{"predictions":[{"label":"blue"`)
		if w.Body.String() != want.Body.String() || w.Header().Get("Content-Type") != typeJSON {
			t.Errorf("got %s of %s, want what /invocations answers", w.Body, w.Header().Get("Content-Type"))
		}
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v1/models/other:predict", body), http.StatusNotFound, "error")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v1/models/flowers", body), http.StatusNotFound, ":predict")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v1/models/flowers:predict", []byte("{}")), http.StatusBadRequest, "error")
}
