package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// apiOf is the document that a server answers.
func apiOf(t *testing.T, s *Server, headers ...string) (d document, compiler *jsonschema.Compiler) {
	t.Helper()
	w := do(s.Handler(), http.MethodGet, "/openapi.json", nil, headers...)
	wantStatus(t, w, http.StatusOK, "")
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Fatalf("%v: got OpenAPI %q, want 3.1", err, d.OpenAPI)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	compiler = jsonschema.NewCompiler()
	if err := compiler.AddResource("api.json", whole); err != nil {
		t.Fatal(err)
	}
	return d, compiler
}

// The document has every route of its server and no other; who needs the token is as the server has it.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	for name, cfg := range map[string]Config{
		"plain": {}, "page": {Page: true}, "many": {MultiModel: true, Open: open}, "token": {Page: true, Token: "t"},
	} {
		s := newServer(t, &fake{}, cfg)
		d, _ := apiOf(t, s, "Authorization", "Bearer t")
		var got, want []string
		ids := map[any]bool{}
		for path, item := range d.Paths {
			for method, o := range item {
				if operation, ok := o.(map[string]any); ok {
					route := strings.ToUpper(method) + " " + ginPath(path)
					got = append(got, route)
					if ids[operation["operationId"]] {
						t.Errorf("%s: the id %v is there twice", name, operation["operationId"])
					}
					ids[operation["operationId"]] = true
					if _, free := operation["security"]; cfg.Token != "" && free != s.open[ginPath(path)] {
						t.Errorf("%s: %s without a token: got %v, want %v", name, route, free, !free)
					}
				}
			}
		}
		for _, r := range s.engine.Routes() {
			file := slices.ContainsFunc(pagePaths[:], func(p struct{ path, kind string }) bool { return p.path == r.Path })
			if r.Method != http.MethodHead && !file && r.Path != "/v2/" { // the same as /v2
				want = append(want, r.Method+" "+r.Path)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got the routes\n%q, want\n%q", name, got, want)
		}
		if (len(d.Security) > 0) != (cfg.Token != "") {
			t.Errorf("%s: got %v of tokens", name, d.Security)
		}
	}
}

// example is a request and where the document describes it.
type example struct {
	method, path, target, kind, accept string
	body                               []byte
	status                             int
}

// examples are requests to every operation: good ones, and some that are refused.
func examples(t *testing.T, shelf *shelf) []example {
	pngs, rgb := twoPictures(t)
	many := instances(t, pngs[:]...)
	load, err := json.Marshal(map[string]string{"model_name": "a", "url": shelf.path("a")})
	if err != nil {
		t.Fatal(err)
	}
	infer := []byte(`{"id":"7","inputs":[{"name":"rgb","datatype":"UINT8","shape":[1,1,2,3],"data":[1,2,3,4,5,6]}],"outputs":[` +
		`{"name":"probabilities","parameters":{"classification":2}},{"name":"label"},{"name":"bottleneck"}]}`)
	list := []example{
		{"POST", "/models", "/models", typeJSON, "", load, 200},
		{"POST", "/models", "/models", typeJSON, "", load, 409},
		{"GET", "/models", "/models?limit=1", "", "", nil, 200},
		{"GET", "/models/{name}", "/models/a", "", "", nil, 200},
		{"GET", "/models/{name}", "/models/b", "", "", nil, 404},
		{"POST", "/models/{name}/invoke", "/models/a/invoke", typeImage, "", pngs[0], 200},
		{"POST", "/models/{name}/invoke", "/models/a/invoke", typeImage, "", []byte("none"), 415},
		{"DELETE", "/models/{name}", "/models/a", "", "", nil, 200},
		{"POST", "/invocations", "/invocations", typeJSON, "", []byte("{"), 400},
		{"POST", "/invocations", "/invocations", "a/b", "", many, 415},
		{"POST", "/invocations", "/invocations", typeJSON, typeNPY, many, 200},
		{"POST", "/invocations", "/invocations", typeNPY, "", array("|u1", "False", "2,4,5,3", rgb), 200},
		{"POST", "/invocations", "/invocations?explain=true", "image/png", "", pngs[0], 200},
		{"POST", "/v1/explain", "/v1/explain?embedding=true", "image/png", "", pngs[0], 200},
		{"POST", "/v1/models/{name}:predict", "/v1/models/model:predict", typeJSON, "", many, 200},
		{"POST", "/v2/repository/index", "/v2/repository/index", "", "", nil, 200},
		{"GET", "/v1/models/{name}", "/v1/models/other", "", "", nil, 404},
		{"POST", "/ping", "/ping", "", "", nil, 200},
	}
	for _, accept := range []string{typeJSON, typeVerboseJSON, typeJSONLines, typeCSV} {
		list = append(list, example{"POST", "/invocations", "/invocations?top_k=2", typeJSON, accept, many, 200})
	}
	for _, text := range []string{`{"b64":"P","parameters":{"top_k":1}}`, `{"inputs":"P"}`, `{"inputs":[{"picture":{"b64":"P"}}],"parameters":{"embedding":true}}`,
		`{"instances":[{"b64":"P"},"P"],"signature_name":"x"}`} {
		list = append(list, example{"POST", "/invocations", "/invocations", typeJSON, "",
			[]byte(strings.ReplaceAll(text, "P", base64.StdEncoding.EncodeToString(pngs[0]))), 200})
	}
	for _, path := range []string{modelRoot, versionRoot} {
		target := strings.NewReplacer("{name}", "model", "{version}", "1").Replace(path)
		list = append(list, example{"POST", path + "/infer", target + "/infer", "", "", infer, 200},
			example{"POST", path + "/infer", target + "/infer", "", "", []byte(`{"inputs":[]}`), 400})
		for _, rest := range []string{"", "/ready", "/config", "/stats"} {
			list = append(list, example{"GET", path + rest, target + rest, "", "", nil, 200})
		}
	}
	for _, path := range []string{"/ping", "/livez", "/readyz", "/metrics", "/openapi.json", "/execution-parameters", "/v2",
		"/v2/health/live", "/v2/health/ready", "/v1/models", "/v1/model"} {
		list = append(list, example{"GET", path, path, "", "", nil, 200})
	}
	return append(list, example{"GET", "/v1/models/{name}", "/v1/models/model", "", "", nil, 200})
}

// Every operation is asked for. The document has the answer's status, type and, of JSON, its schema; and
// where it is a good request in JSON, the request's.
func TestOpenAPIIsTrue(t *testing.T) {
	shelf := newShelf(t, "a")
	s := newServer(t, realModel(t, 0.1, 75), Config{Page: true, MultiModel: true, ModelRoot: shelf.root, Open: shelf.load})
	d, compiler := apiOf(t, s)
	answered := map[string]bool{}
	for _, x := range examples(t, shelf) {
		var headers []string
		for _, h := range [][]string{{"Content-Type", x.kind}, {"Accept", x.accept}} {
			if h[1] != "" {
				headers = append(headers, h...)
			}
		}
		sent := bytes.Clone(x.body) // which is read where it stands
		w := do(s.Handler(), x.method, x.target, sent, headers...)
		if w.Code != x.status {
			t.Errorf("%s %s: got %d %s, want %d", x.method, x.target, w.Code, w.Body, x.status)
			continue
		}
		at := []string{"paths", x.path, strings.ToLower(x.method)}
		if x.status < 300 {
			answered[x.method+" "+x.path] = true
			if len(x.body) > 0 && (x.kind == typeJSON || x.kind == "") {
				holds(t, compiler, x.body, append(slices.Clone(at), "requestBody", "content", typeJSON, "schema")...)
			}
		}
		described(t, d, compiler, w, at)
	}
	for path, item := range d.Paths {
		for method := range item {
			if route := strings.ToUpper(method) + " " + path; method != "parameters" && !answered[route] {
				t.Errorf("no example of %s", route)
			}
		}
	}
	for _, bad := range []string{`{}`, `{"instances":[]}`, `{"b64":"","more":""}`, `{"inputs":[{"a":"","b":""}]}`,
		`{"b64":"","parameters":{"top_k":-1}}`} {
		if err := valid(t, compiler, []byte(bad), "components", "schemas", "Invocation"); err == nil {
			t.Errorf("%s: the document has it", bad)
		}
		if w := do(s.Handler(), http.MethodPost, "/invocations", []byte(bad), "Content-Type", typeJSON); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", bad, w.Code)
		}
	}
}

// described wants an answer to be one that the operation has.
func described(t *testing.T, d document, compiler *jsonschema.Compiler, w *httptest.ResponseRecorder, at []string) {
	t.Helper()
	operation, _ := d.Paths[at[1]][at[2]].(map[string]any)
	responses, _ := operation["responses"].(map[string]any)
	code := http.StatusText(w.Code)
	for _, c := range []string{"default", "200"} {
		if _, ok := responses[c]; ok && (c == "200") == (w.Code == http.StatusOK) {
			code = c
		}
	}
	response, ok := responses[code].(map[string]any)
	at = append(slices.Clone(at), "responses", code)
	if ref, isRef := response["$ref"].(string); isRef {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		var components map[string]map[string]map[string]any
		if err := json.Unmarshal(d.Components, &components); err != nil {
			t.Fatal(err)
		}
		response, ok = components[at[1]][at[2]], true
	}
	if !ok {
		t.Errorf("%q: got %d, which the document does not have", at, w.Code)
		return
	}
	content, _ := response["content"].(map[string]any)
	kind := w.Header().Get("Content-Type")
	if _, ok := content[kind]; !ok && parseMediaType(kind).name != "" {
		kind = parseMediaType(kind).name
	}
	if _, ok := content[kind]; ok != (w.Body.Len() > 0) {
		t.Errorf("%q: got a body of %d bytes of type %q, and the document has %v", at, w.Body.Len(), kind, content)
		return
	}
	if kind == typeJSON || kind == typeVerboseJSON {
		holds(t, compiler, w.Body.Bytes(), append(slices.Clone(at), "content", kind, "schema")...)
	}
}

// holds wants JSON to be as the document's schema at this place has it.
func holds(t *testing.T, compiler *jsonschema.Compiler, data []byte, at ...string) {
	t.Helper()
	if err := valid(t, compiler, data, at...); err != nil {
		t.Errorf("%q: %.300s: %v", at, data, err)
	}
}

func valid(t *testing.T, compiler *jsonschema.Compiler, data []byte, at ...string) error {
	t.Helper()
	pointer := ""
	for _, token := range at {
		pointer += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}
	schema, err := compiler.Compile("api.json#" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%q: %q: %v", at, data, err)
	}
	return schema.Validate(value)
}
