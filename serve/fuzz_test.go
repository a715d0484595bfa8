package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRequest sends whole requests, header and query included, to every route with a body, in each
// compatibility: the answer to any body is below 500 unless it says that something is not to be
// had (501), and an error is one sentence of JSON, or of the blog's text.
func FuzzRequest(f *testing.F) {
	png := string(colorPNG(f, 4, 3, red))
	for _, kind := range []string{typeImage, "image/png", typeJSON, typeJSONLines, typeCSV, "text/plain; charset=utf-8",
		"multipart/form-data; boundary=a", "", ";"} {
		f.Add(uint8(0), kind, "*/*", "top_k=1", "rehead-embedding=true", []byte(png))
		f.Add(uint8(1), kind, typeVerboseJSON, "", "", []byte(`{"instances":[{"b64":""}]}`))
		f.Add(uint8(2), kind, typeCSV, "explain=true", "", []byte(" http://127.0.0.1/a.png\n"))
	}
	f.Add(uint8(3), typeJSON, "", "", "", []byte(`{"model_name":"a","url":"/opt/ml/models/a/model"}`))
	f.Add(uint8(4), typeJSON, "", "", "", []byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":[""]}]}`))
	f.Add(uint8(0), typeNPY, typeNPY, "", "", array("<f2", "True", "1,2,1,3", []byte("\x00\x3c\x00\x40\x00\x42\x00\x44\x00\x45\x00\x46")))
	var servers []*Server
	for _, compat := range []Compat{CompatNone, CompatBuiltin, CompatTFBlog} {
		servers = append(servers, newServer(f, &fake{},
			Config{Compat: compat, MaxBodyBytes: 1 << 16, MaxRecords: 8, MultiModel: true, ModelRoot: f.TempDir(),
				Open: func(context.Context, string) (Classifier, error) { return nil, errors.New("no model") }}))
	}
	f.Fuzz(func(t *testing.T, where uint8, kind, accept, query, attributes string, body []byte) {
		path := []string{"/invocations", "/invocations", "/invocations", "/models", "/v2/models/model/infer"}[where%5]
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
		r.URL = &url.URL{Path: path, RawQuery: query}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Accept", accept)
		r.Header.Set(headerAttributes, attributes)
		w := httptest.NewRecorder()
		servers[int(where)%len(servers)].Handler().ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		if w.Code < 400 || strings.HasPrefix(w.Body.String(), "This predictor only") {
			return
		}
		var failure struct{ Error, Message string }
		if err := json.Unmarshal(w.Body.Bytes(), &failure); err != nil || failure.Error+failure.Message == "" ||
			!utf8.ValidString(w.Body.String()) {
			t.Fatalf("got %d %q, want one error in JSON (%v)", w.Code, w.Body, err)
		}
	})
}
