package serve

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
)

// invoke posts a body and returns the answer, which must be a 200.
func invoke(t testing.TB, cfg Config, body []byte, headers ...string) (answer string, header http.Header) {
	t.Helper()
	w := do(newServer(t, &fake{}, cfg).Handler(), http.MethodPost, "/invocations", body, headers...)
	wantStatus(t, w, http.StatusOK, "")
	return w.Body.String(), w.Header()
}

// decode reads JSON, and fails on a key that v has no room for.
func decode(t testing.TB, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

// ordered are a result's probabilities in the order of the classes.
func ordered(r inception.Result) []float64 {
	p := make([]float64, len(fakeLabels))
	for i, label := range fakeLabels {
		for _, prediction := range r.Predictions {
			if prediction.Label == label {
				p[i] = prediction.Probability
			}
		}
	}
	return p
}

// instances is a body of pictures in TensorFlow Serving's form.
func instances(t testing.TB, pictures ...[]byte) []byte {
	t.Helper()
	type instance struct {
		B64 []byte `json:"b64"`
	}
	var list []instance
	for _, p := range pictures {
		list = append(list, instance{p})
	}
	body, err := json.Marshal(map[string]any{"instances": list})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// lines is a body of pictures as JSON Lines.
func lines(pictures ...[]byte) []byte {
	var b strings.Builder
	for _, p := range pictures {
		b.WriteString(`{"b64":"` + base64.StdEncoding.EncodeToString(p) + "\"}\n")
	}
	return []byte(b.String())
}

// Contract 38: custom attributes come back, an inference id is the request's id, and headers that
// the server does not know are ignored.
func TestContract38Headers(t *testing.T) {
	_, header := invoke(t, Config{}, colorPNG(t, 4, 3, red),
		headerAttributes, "trace=17", headerInferenceID, "abc-1",
		"X-Amzn-SageMaker-Session-Id", "NEW_SESSION", "X-Amzn-SageMaker-Something-New", "x")
	if got := header.Get(headerAttributes); got != "trace=17" {
		t.Errorf("custom attributes: got %q, want them back", got)
	}
	if got := header.Get(headerRequestID); got != "abc-1" {
		t.Errorf("request id: got %q, want the inference id", got)
	}
	_, header = invoke(t, Config{}, colorPNG(t, 4, 3, red), headerRequestID, "not an id\x7f")
	if got := header.Get(headerRequestID); !isID(got) {
		t.Errorf("request id: got %q, want a new one", got)
	}
}

// Contract 39: Accept chooses, its absence means the default.
func TestContract39Accept(t *testing.T) {
	body := colorPNG(t, 4, 3, red)
	for accept, want := range map[string]string{
		"": typeJSON, "*/*": typeJSON, typeCSV: typeCSV, typeJSONLines: typeJSONLines, typeVerboseJSON: typeVerboseJSON,
	} {
		_, header := invoke(t, Config{}, body, "Accept", accept)
		if got := header.Get("Content-Type"); got != want {
			t.Errorf("%q: got %q, want %q", accept, got, want)
		}
	}
	for _, accept := range []string{"", "*/*"} {
		_, header := invoke(t, Config{DefaultAccept: typeCSV}, body, "Accept", accept)
		if got := header.Get("Content-Type"); got != typeCSV {
			t.Errorf("%q with another default: got %q, want %q", accept, got, typeCSV)
		}
	}
}

// Contract 45: the built-in algorithm's answers.
func TestContract45Builtin(t *testing.T) {
	body := colorPNG(t, 4, 3, blue)
	want := ordered(expect(t, body))
	cfg := Config{Compat: CompatBuiltin}

	answer, _ := invoke(t, cfg, body, "Content-Type", "application/x-image")
	var bare []float64
	decode(t, answer, &bare)
	if !reflect.DeepEqual(bare, want) {
		t.Errorf("an image: got %v, want %v", bare, want)
	}

	answer, _ = invoke(t, cfg, body, "Content-Type", "application/x-image", "Accept", "application/jsonlines")
	var line struct {
		Prediction []float64 `json:"prediction"`
	}
	decode(t, answer, &line)
	if !reflect.DeepEqual(line.Prediction, want) || strings.Count(answer, "\n") != 1 {
		t.Errorf("a line: got %q, want one line with %v", answer, want)
	}

	answer, _ = invoke(t, cfg, body, "Accept", "text/csv")
	if cells := strings.Split(strings.TrimSpace(answer), ","); len(cells) != 3 || cells[2] != formatFloat(want[2]) {
		t.Errorf("CSV: got %q, want the probabilities in order", answer)
	}
}

// Contract 46: application/json;verbose.
func TestContract46Verbose(t *testing.T) {
	body := colorPNG(t, 4, 3, blue)
	answer, _ := invoke(t, Config{}, body, "Content-Type", "application/x-image", "Accept", "application/json;verbose")
	var got struct {
		Probabilities []float64 `json:"probabilities"`
		Labels        []string  `json:"labels"`
		Predicted     string    `json:"predicted_label"`
	}
	decode(t, answer, &got)
	if !reflect.DeepEqual(got.Probabilities, ordered(expect(t, body))) || !reflect.DeepEqual(got.Labels, fakeLabels) ||
		got.Predicted != "blue" {
		t.Errorf("got %+v", got)
	}
}

// Contract 47: many pictures in, as many answers out, in the same order, each what its picture
// alone is answered.
func TestContract47Answers(t *testing.T) {
	first, second := colorPNG(t, 4, 3, red), colorPNG(t, 5, 6, blue)
	alone, _ := invoke(t, Config{}, first)
	other, _ := invoke(t, Config{}, second)

	answer, _ := invoke(t, Config{}, instances(t, first, second), "Content-Type", typeJSON)
	if want := `{"predictions":[` + alone + `,` + other + `]}`; answer != want {
		t.Errorf("instances: got %q, want %q", answer, want)
	}
	body := []byte(strings.Replace(string(instances(t, first, second)), "instances", "inputs", 1))
	answer, _ = invoke(t, Config{}, body, "Content-Type", typeJSON)
	if want := `{"outputs":[` + alone + `,` + other + `]}`; answer != want {
		t.Errorf("inputs: got %q, want %q", answer, want)
	}
	answer, _ = invoke(t, Config{}, lines(first, second), "Content-Type", typeJSONLines, "Accept", typeJSONLines)
	if want := alone + "\n" + other + "\n"; answer != want {
		t.Errorf("lines: got %q, want %q", answer, want)
	}
	files, kind := form(t, []string{string(first), string(second)}, nil)
	answer, _ = invoke(t, Config{}, files, "Content-Type", kind, "Accept", typeJSONLines)
	if want := alone + "\n" + other + "\n"; answer != want {
		t.Errorf("a form: got %q, want %q", answer, want)
	}
	rows := base64.StdEncoding.EncodeToString(first) + "\n" + base64.StdEncoding.EncodeToString(second) + "\n"
	answer, _ = invoke(t, Config{}, []byte(rows), "Content-Type", typeCSV, "Accept", typeCSV)
	table, err := csv.NewReader(strings.NewReader(answer)).ReadAll()
	if err != nil || len(table) != 2 {
		t.Fatalf("CSV: got %q and %v, want two rows", answer, err)
	}
	want := expect(t, second).Predictions[0]
	if p, err := strconv.ParseFloat(table[1][1], 64); table[1][0] != want.Label || p != want.Probability || err != nil {
		t.Errorf("CSV: got %q, want %v first in the second row", table, want)
	}
}

func TestEmbedding(t *testing.T) {
	body := colorPNG(t, 4, 3, blue)
	answer, _ := invoke(t, Config{}, body, headerAttributes, "rehead-embedding=true")
	var got plainRecord
	decode(t, answer, &got)
	if want := expect(t, body); !reflect.DeepEqual(got.Embedding, want.Bottleneck) {
		t.Errorf("got %v, want %v", got.Embedding, want.Bottleneck)
	}
	if answer, _ := invoke(t, Config{}, body); strings.Contains(answer, "embedding") {
		t.Errorf("got an embedding that was not asked for: %q", answer)
	}
	s := newServer(t, &fake{}, Config{})
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?embedding=1", body, "Accept", typeCSV),
		http.StatusNotAcceptable, "CSV")
}

// Contract 48: the blog post's container, without its faults.
func TestContract48TFBlog(t *testing.T) {
	host := pictureHost(t)
	cfg := Config{Compat: CompatTFBlog, Fetch: host.fetch}
	want := expect(t, host.png)
	for _, kind := range []string{"text/plain", "text/plain; charset=utf-8"} {
		answer, _ := invoke(t, cfg, []byte(" "+host.url+"/a.png\n"), "Content-Type", kind)
		var got map[string]string
		decode(t, answer, &got)
		if len(got) != 3 || got[want.Predictions[0].Label] != formatFloat(want.Predictions[0].Probability) {
			t.Errorf("%s: got %q, want %v", kind, answer, want.Predictions)
		}
		if !strings.HasPrefix(answer, `{"`+want.Predictions[0].Label+`"`) {
			t.Errorf("%s: got %q, want the best first", kind, answer)
		}
	}
	_, header := invoke(t, cfg, []byte(host.url+"/a.png"), "Content-Type", "text/plain", "Accept", "text/csv")
	if got := header.Get("Content-Type"); got != "text/csv" {
		t.Errorf("content type: got %q, want the text/csv that was asked for", got)
	}
	s := newServer(t, &fake{}, cfg)
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", []byte("x"), "Content-Type", "application/pdf"),
		http.StatusUnsupportedMediaType, "This predictor only supports TXT data")
	s = newServer(t, &fake{}, Config{Compat: CompatTFBlog})
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", []byte(host.url), "Content-Type", "text/plain"),
		http.StatusBadRequest, "does not fetch")
}

// Contract 51: what a batch transform job asks first.
func TestContract51ExecutionParameters(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, `{"MaxConcurrentTransforms":16,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":6}`},
		{Config{MaxBodyBytes: 25 << 20}, `{"MaxConcurrentTransforms":4,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":25}`},
		{Config{MaxBodyBytes: 1 << 30, BatchStrategy: "MultiRecord"}, `{"MaxConcurrentTransforms":1,"BatchStrategy":"MultiRecord","MaxPayloadInMB":100}`},
		{Config{MaxConcurrentTransforms: 2}, `{"MaxConcurrentTransforms":2,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":6}`},
	} {
		w := do(newServer(t, &fake{}, c.cfg).Handler(), http.MethodGet, "/execution-parameters", nil)
		wantStatus(t, w, http.StatusOK, "")
		if w.Body.String() != c.want {
			t.Errorf("got %s, want %s", w.Body, c.want)
		}
	}
}

// Contract 53: one bad record does not lose its file.
func TestContract53Placeholder(t *testing.T) {
	good := colorPNG(t, 4, 3, red)
	alone, _ := invoke(t, Config{}, good)
	body := lines(good, []byte("no picture"), good)
	answer, header := invoke(t, Config{Batch: true}, body, "Content-Type", typeJSONLines)
	got := strings.Split(strings.TrimSuffix(answer, "\n"), "\n")
	if len(got) != 3 || got[0] != alone || got[2] != alone || !strings.HasPrefix(got[1], `{"error":"`) {
		t.Errorf("lines: got %q", got)
	}
	if header.Get("Content-Type") != typeJSONLines {
		t.Errorf("lines: got %q, want lines for lines", header.Get("Content-Type"))
	}
	if answer, _ := invoke(t, Config{Batch: true}, []byte("no picture"), "Content-Type", "image/png"); !strings.HasPrefix(answer, `{"error":"`) {
		t.Errorf("one picture: got %q, want a placeholder", answer)
	}
	answer, _ = invoke(t, Config{Placeholders: true}, body, "Content-Type", typeJSONLines, "Accept", typeCSV)
	if rows := strings.Split(answer, "\n"); len(rows) != 4 || !strings.HasPrefix(rows[1], ",") {
		t.Errorf("CSV: got %q, want an empty cell and a reason in the second row", answer)
	}
	w := do(newServer(t, &fake{}, Config{}).Handler(), http.MethodPost, "/invocations", body, "Content-Type",
		typeJSONLines)
	wantStatus(t, w, http.StatusUnsupportedMediaType, "record 2 of 3")

	// What is the server's own fault stays a 5xx, so that the platform asks again.
	s := newServer(t, &fake{fault: http.ErrServerClosed}, Config{Batch: true})
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type", typeJSONLines),
		http.StatusInternalServerError, "")
}
