package serve

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// Contract 39: types are compared without case or parameters.
func TestContract39MediaTypes(t *testing.T) {
	for sent, want := range map[string]string{
		"text/plain; charset=utf-8":        "text/plain",
		"IMAGE/JPEG":                       "image/jpeg",
		` application/json ; a="b;c" ; d`:  "application/json",
		"application/x-jsonlines":          typeJSONLines,
		"application/json;verbose":         "application/json",
		`multipart/form-data; boundary=aB`: typeMultipart,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Content-Type", sent)
		if got := contentType(r, nil).name; got != want {
			t.Errorf("%q: got %q, want %q", sent, got, want)
		}
	}
	m := parseMediaType(`multipart/form-data; boundary="a\"B;c"`)
	if m.params["boundary"] != `a"B;c` {
		t.Errorf("boundary: got %q", m.params["boundary"])
	}
	r := httptest.NewRequest("POST", "/", nil)
	if got := contentType(r, []byte(" \n{")).name; got != typeJSON {
		t.Errorf("a brace without a type: got %q, want JSON", got)
	}
}

// Contract 39: 406 when Accept cannot be met, the default for */* or none.
func TestContract39Negotiation(t *testing.T) {
	offers := []string{typeJSON, typeVerboseJSON, typeJSONLines, typeCSV}
	for accept, want := range map[string]string{
		"":                                    typeJSON,
		"*/*":                                 typeJSON,
		"text/*":                              typeCSV,
		"application/*;q=0.5, text/csv":       typeCSV,
		"application/json;verbose":            typeVerboseJSON,
		"application/json; verbose; q=0.9":    typeVerboseJSON,
		"application/x-ndjson":                typeJSONLines,
		"application/json;q=0, */*;q=0.1":     typeVerboseJSON,
		"application/json; charset=utf-8":     typeJSON,
		"image/png":                           "",
		"application/json;q=0":                "",
		"text/html, */*;q=0.8":                typeJSON,
		"application/jsonlines, text/csv;q=1": typeJSONLines,
	} {
		got, ok := negotiate([]string{accept}, offers...)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q %v, want %q", accept, got, ok, want)
		}
	}
}

func FuzzMediaType(f *testing.F) {
	for _, s := range []string{"a/b", `a/b; c="d\"`, ";;;", `"`, "*/*;q=2", strings.Repeat(";", 99)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := parseMediaType(s)
		if m.q < 0 || m.q > 1 {
			t.Errorf("%q: got a weight of %v, want 0..1", s, m.q)
		}
		if choice, ok := negotiate([]string{s}, typeJSON, typeCSV); ok == (choice == "") {
			t.Errorf("%q: got %q and %v", s, choice, ok)
		}
	})
}
