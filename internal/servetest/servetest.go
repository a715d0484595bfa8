package servetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
)

// Mode is how a server was started.
type Mode string

// The modes.
const (
	Plain   Mode = "plain"   // an endpoint
	Batch   Mode = "batch"   // a batch transform job: SAGEMAKER_BATCH=true
	Multi   Mode = "multi"   // a multi-model endpoint: SAGEMAKER_MULTI_MODEL=true
	Builtin Mode = "builtin" // --compat builtin
	TFBlog  Mode = "tfblog"  // --compat tfblog
)

// Sample is a picture and its whole ranking, best first, as the model alone gives it.
type Sample struct {
	Picture []byte
	Ranking []inception.Prediction
}

// Subject is a running server.
type Subject struct {
	URL     string   // such as http://127.0.0.1:8080
	Mode    Mode     // how it was started
	Labels  []string // of the model, in the order of the classes; at least two, and at most DefaultTopK of package serve
	Samples []Sample // at least two
	MaxBody int64    // bytes of the largest body that is accepted
	// Multi: the folder, as the server sees it, of one/model, which is the model, and broken/model,
	// which is none
	Folder string
}

// Check is one check of an item of the contract.
type Check struct {
	Item int    // of docs/contract.md
	Name string // what is checked, a few words
	Mode Mode   // of the server that it needs
	Run  func(t *testing.T, s *Subject)
}

// String is the name under which Run runs a check.
func (c Check) String() string { return fmt.Sprintf("%d %s", c.Item, c.Name) }

// Checks is the whole list, in the order of the items.
func Checks() []Check {
	all := slices.Concat(process(), requests(), answers(), records(), batch(), multiModel(), openInference())
	slices.SortStableFunc(all, func(a, b Check) int { return a.Item - b.Item })
	return all
}

// Run makes every check of the subject's mode, each as a subtest.
func Run(t *testing.T, s *Subject) {
	ran := 0
	for _, c := range Checks() {
		if c.Mode == s.Mode {
			t.Run(c.String(), func(t *testing.T) { c.Run(t, s) })
			ran++
		}
	}
	if ran == 0 {
		t.Fatalf("servetest: mode %q: got no check, want a mode of this package", s.Mode)
	}
}

// answer is what a server answered.
type answer struct {
	code   int
	header http.Header
	body   string
	proto  string
}

// ask sends one request; headers alternate names and values.
func (s *Subject) ask(t *testing.T, method, path string, body []byte, headers ...string) answer {
	t.Helper()
	return s.send(t, method, path, bytes.NewReader(body), headers...)
}

// send is ask for a body of unknown length.
func (s *Subject) send(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	data, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{response.StatusCode, response.Header, string(data), response.Proto}
}

// invoke posts a picture, or what is sent for one.
func (s *Subject) invoke(t *testing.T, body []byte, headers ...string) answer {
	t.Helper()
	return s.ask(t, http.MethodPost, "/invocations", body, headers...)
}

// want fails unless the answer has the status and, where text is given, its body has it in it.
func (a answer) want(t *testing.T, code int, text string) answer {
	t.Helper()
	if a.code != code || !strings.Contains(a.body, text) {
		t.Fatalf("got %d %.300q, want %d with %q", a.code, a.body, code, text)
	}
	return a
}

// decode reads a JSON answer and fails on a key that v has no room for.
func (a answer) decode(t *testing.T, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%.300q: %v", a.body, err)
	}
}

// record is a picture's answer.
type record struct {
	Predictions []inception.Prediction `json:"predictions"`
	Error       string                 `json:"error"`
}

// Same reports whether two rankings say the same; an answer on the wire has no place of its label.
func Same(a, b []inception.Prediction) bool {
	return slices.EqualFunc(a, b, func(p, q inception.Prediction) bool {
		return p.Label == q.Label && p.Probability == q.Probability
	})
}

// wantRecord fails unless text is the sample's answer, to the last digit.
func (s *Subject) wantRecord(t *testing.T, text string, sample Sample) {
	t.Helper()
	var got record
	answer{body: text}.decode(t, &got)
	if !Same(got.Predictions, sample.Ranking) {
		t.Fatalf("got %.300s, want %v", text, sample.Ranking)
	}
}

// ordered are a sample's probabilities in the order of the classes.
func (s *Subject) ordered(sample Sample) []float64 {
	p := make([]float64, len(s.Labels))
	for _, r := range sample.Ranking {
		p[slices.Index(s.Labels, r.Label)] = r.Probability
	}
	return p
}

// wantError fails unless the answer is an error of its status in one sentence of JSON.
func (a answer) wantError(t *testing.T, code int, text string) {
	t.Helper()
	a.want(t, code, text)
	var got struct{ Error string }
	a.decode(t, &got)
	if got.Error == "" || strings.Contains(got.Error, "\n") {
		t.Fatalf("got %q, want an error in one line", a.body)
	}
}
