package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func b64(data string) string { return base64.StdEncoding.EncodeToString([]byte(data)) }

// pictures are the records' bytes as text, "!" before the text of an error.
func pictures(records []record) []string {
	var got []string
	for _, r := range records {
		switch {
		case r.err != nil:
			got = append(got, "!"+r.err.Error())
		case r.url != "":
			got = append(got, "@"+r.url)
		default:
			got = append(got, string(r.input.Data))
		}
	}
	return got
}

// Contract 47: the common formats, TensorFlow Serving's among them.
func TestContract47Records(t *testing.T) {
	one, two := b64("one"), b64("t?>wo") // the second has + or / in it
	url := base64.RawURLEncoding.EncodeToString([]byte("t?>wo"))
	cases := []struct {
		name, kind, body string
		layout           layout
		want             []string
	}{
		{"instances", typeJSON, `{"instances":[{"b64":"` + one + `"},{"b64":"` + two + `"}]}`, layoutInstances, []string{"one", "t?>wo"}},
		{"strings", typeJSON, `{"instances":["` + one + `","` + url + `"]}`, layoutInstances, []string{"one", "t?>wo"}},
		{"named inputs", typeJSON, `{"signature_name":"s","instances":[{"image_bytes":{"b64":"` + one + `"}},{"image":"` + two + `"}]}`, layoutInstances, []string{"one", "t?>wo"}},
		{"columns", typeJSON, `{"inputs":["` + one + `"]}`, layoutInputs, []string{"one"}},
		{"one input", typeJSON, `{"inputs":{"b64":"` + one + `"}}`, layoutInputs, []string{"one"}},
		{"one", typeJSON, ` {"b64":"` + one + `"} `, layoutOne, []string{"one"}},
		{"data URL", typeJSON, `{"image":"data:image/png;base64,` + one + `"}`, layoutOne, []string{"one"}},
		{"no padding", typeJSON, `{"b64":"` + strings.TrimRight(two, "=") + `"}`, layoutOne, []string{"t?>wo"}},
		{"lines", typeJSONLines, `{"b64":"` + one + `"}` + "\n\n" + `"` + two + `"` + "\r\n", layoutMany, []string{"one", "t?>wo"}},
		{"csv", typeCSV, one + "\n" + `"` + two + `"` + "\r\n", layoutMany, []string{"one", "t?>wo"}},
		{"url", typeJSON, `{"url":" http://a/b "}`, layoutOne, []string{"@http://a/b"}},
		{"csv url", typeCSV, "https://a/b?c\n", layoutMany, []string{"@https://a/b?c"}},
		{"text", typeText, " http://a/b\n", layoutOne, []string{"@http://a/b"}},
		{"bytes", typeImage, "one", layoutOne, []string{"one"}},
	}
	p := requestParser{maxRecords: 10, urls: true, text: true}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			records, l, err := p.parse(mediaType{name: c.kind}, []byte(c.body), &options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := pictures(records); !slices.Equal(got, c.want) || l != c.layout {
				t.Errorf("got %q with layout %d, want %q with layout %d", got, l, c.want, c.layout)
			}
		})
	}
}

func TestCSVHeader(t *testing.T) {
	kind := parseMediaType("text/csv; header=present")
	records, _, err := requestParser{maxRecords: 1}.parse(kind, []byte("image\n"+b64("one")+"\n"), &options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := pictures(records); !slices.Equal(got, []string{"one"}) {
		t.Errorf("got %q, want only the row below the header", got)
	}
}

// A record's fault is its own; the others are read.
func TestBadRecords(t *testing.T) {
	one := b64("one")
	p := requestParser{maxRecords: 10}
	cases := []struct{ name, kind, body, fault string }{
		{"base64", typeJSON, `{"instances":["%%","` + one + `"]}`, "not base64"},
		{"kind", typeJSON, `{"instances":[7,"` + one + `"]}`, "neither"},
		{"keys", typeJSON, `{"instances":[{"b64":"` + one + `","c":1},"` + one + `"]}`, "2 keys"},
		{"twice", typeJSON, `{"instances":[{"b64":"` + one + `","b64":""},"` + one + `"]}`, "twice"},
		{"inner", typeJSON, `{"instances":[{"a":{"c":"` + one + `"}},"` + one + `"]}`, "neither"},
		{"url", typeJSON, `{"instances":[{"url":"http://a"},"` + one + `"]}`, "does not fetch"},
		{"empty", typeJSON, `{"instances":["","` + one + `"]}`, "no bytes"},
		{"data URL", typeJSON, `{"instances":["data:text/plain,a","` + one + `"]}`, "data URL"},
		{"line", typeJSONLines, "{\n\"" + one + `"`, "not JSON"},
		{"row", typeCSV, "a,b\n" + one, "2 columns"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			records, _, err := p.parse(mediaType{name: c.kind}, []byte(c.body), &options{})
			if err != nil {
				t.Fatal(err)
			}
			got := pictures(records)
			if len(got) != 2 || !strings.HasPrefix(got[0], "!") || !strings.Contains(got[0], c.fault) || got[1] != "one" {
				t.Errorf("got %q, want a fault that contains %q and then the picture", got, c.fault)
			}
		})
	}
}

func TestBadBodies(t *testing.T) {
	one := b64("one")
	p := requestParser{maxRecords: 2}
	cases := []struct {
		name, kind, body, fault string
		code                    int
	}{
		{"not JSON", typeJSON, `{"instances":[`, "malformed", 400},
		{"array", typeJSON, `["` + one + `"]`, "object", 400},
		{"trailing", typeJSON, `{"b64":"` + one + `"}}`, "follows", 400},
		{"two keys", typeJSON, `{"b64":"` + one + `","instances":[]}`, "2 keys", 400},
		{"no key", typeJSON, `{}`, "0 keys", 400},
		{"key twice", typeJSON, `{"b64":"a","b64":"b"}`, "twice", 400},
		{"instances", typeJSON, `{"instances":{}}`, "array", 400},
		{"none", typeJSON, `{"instances":[]}`, "no picture", 400},
		{"parameters", typeJSON, `{"b64":"a","parameters":{"colour":1}}`, "unknown", 400},
		{"top_k", typeJSON, `{"b64":"a","parameters":{"top_k":"x"}}`, "top_k", 400},
		{"many", typeJSON, `{"instances":["a","b","c"]}`, "limit of 2", 413},
		{"many lines", typeJSONLines, "1\n2\n3", "limit of 2", 413},
		{"many rows", typeCSV, "1\n2\n3", "limit of 2", 413},
		{"blank", typeJSONLines, "\n \n", "no picture", 400},
		{"csv", typeCSV, `a"b`, "line 1", 400},
		{"form", typeMultipart, "x", "boundary", 400},
		{"type", "application/pdf", "x", "not supported", 415},
		{"text", typeText, "http://a", "not supported", 415},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := p.parse(mediaType{name: c.kind}, []byte(c.body), &options{})
			var status *statusError
			if !errors.As(err, &status) || status.code != c.code || !strings.Contains(status.msg, c.fault) {
				t.Errorf("got %v, want %d with %q", err, c.code, c.fault)
			}
		})
	}
}

// form builds a multipart body of files and fields.
func form(t testing.TB, files []string, fields map[string]string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("a-boundary"); err != nil { // the same each time, for the fuzzer's sake
		t.Fatal(err)
	}
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for i, data := range files {
		f, err := w.CreateFormFile("image", fmt.Sprintf("%d.png", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func TestMultipart(t *testing.T) {
	p := requestParser{maxRecords: 3}
	for want, files := range map[layout][]string{layoutOne: {"one"}, layoutMany: {"one", "two"}} {
		body, kind := form(t, files, map[string]string{"top_k": "2", "embedding": "true"})
		var o options
		records, l, err := p.parse(parseMediaType(kind), body, &o)
		if err != nil {
			t.Fatal(err)
		}
		if got := pictures(records); !slices.Equal(got, files) || l != want || o.topK != 2 || !o.embedding {
			t.Errorf("got %q, layout %d, options %+v; want %q, layout %d and both options", got, l, o, files, want)
		}
	}
	body, kind := form(t, []string{"one"}, map[string]string{"colour": "red"})
	if _, _, err := p.parse(parseMediaType(kind), body, &options{}); err == nil ||
		!strings.Contains(err.Error(), "unknown") {
		t.Errorf("an unknown field: got %v, want an error", err)
	}
	body, kind = form(t, []string{"one"}, nil)
	if _, _, err := p.parse(parseMediaType(kind), body[:len(body)/2], &options{}); err == nil {
		t.Error("half a form: got no error")
	}
}

func TestOptions(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	read := func(query, attributes string) (options, error) {
		r, err := http.NewRequest(http.MethodPost, "/invocations"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if attributes != "" {
			r.Header.Set(headerAttributes, attributes)
		}
		return s.options(r)
	}
	for _, c := range []struct {
		query, attributes string
		want              options
	}{
		{"", "", options{topK: DefaultTopK}},
		{"?top_k=2", "", options{topK: 2}},
		{"?top_k=2&unknown=1", "trace=7; rehead-top-k=3", options{topK: 3}},
		{"", "Rehead-Embedding=true, a=b", options{topK: DefaultTopK, embedding: true}},
		{"?top_k=0", "", options{topK: -1}},
	} {
		if got, err := read(c.query, c.attributes); err != nil || got != c.want {
			t.Errorf("%q %q: got %+v %v, want %+v", c.query, c.attributes, got, err, c.want)
		}
	}
	for _, attributes := range []string{"rehead-colour=red", "rehead-top-k=-1", "rehead-embedding=7",
		strings.Repeat("a", 1025)} {
		if _, err := read("", attributes); err == nil {
			t.Errorf("%.20q: got no error", attributes)
		}
	}
}

// checkParse holds what is true of every body: no panic, faults that are the caller's, and never
// more records than allowed.
func checkParse(t *testing.T, kind mediaType, body []byte) {
	p := requestParser{maxRecords: 5, urls: true, text: true}
	records, _, err := p.parse(kind, bytes.Clone(body), &options{})
	if err != nil {
		if code := asStatus(err).code; code < 400 || code > 499 {
			t.Errorf("status %d for %v, want a fault of the caller", code, err)
		}
		return
	}
	if len(records) == 0 || len(records) > p.maxRecords {
		t.Errorf("got %d records, want 1..%d", len(records), p.maxRecords)
	}
	for i, r := range records {
		if r.err == nil && r.url == "" && len(r.input.Data) == 0 && kind.name != typeText && !kind.isPicture() &&
			!emptyURL(kind, body) {
			t.Errorf("record %d has neither bytes nor an error", i)
		}
		if r.err != nil && asStatus(r.err).code != http.StatusBadRequest {
			t.Errorf("record %d: %v, want a status of 400", i, r.err)
		}
	}
}

// emptyURL allows {"url": ""}, which the fetcher refuses.
func emptyURL(kind mediaType, body []byte) bool {
	return kind.name != typeMultipart && bytes.Contains(body, []byte("url"))
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"instances":[{"b64":"b25l"}]}`, `{"inputs":{"b64":"b25l"}}`, `{"b64":"b25l","parameters":{"top_k":1}}`,
		`{"image":{"b64":"b25l"}}`, `{"url":"http://a"}`, `{"instances":["","",{}]}`, `{"instances":[[[[`, "{\"a\":\"\\ud800\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkParse(t, mediaType{name: typeJSON}, body)
		if _, _, err := (requestParser{maxRecords: 5}).parse(mediaType{name: typeJSON}, bytes.Clone(body),
			&options{}); err == nil &&
			!json.Valid(body) {
			t.Error("what is not JSON was read")
		}
	})
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte("{\"b64\":\"b25l\"}\n\"b25l\"\n"))
	f.Add([]byte("\n{\n}\r\n1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		checkParse(t, mediaType{name: typeJSONLines}, body)
		lines := 0
		for _, line := range bytes.Split(body, []byte("\n")) {
			if len(bytes.TrimSpace(line)) > 0 {
				lines++
			}
		}
		records, err := requestParser{maxRecords: 1 << 20}.lines(bytes.Clone(body))
		if err != nil || len(records) != lines {
			t.Errorf("got %d records and %v of %d lines", len(records), err, lines)
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("b25l\n\"b25l\"\r\n"), true)
	f.Add([]byte("a,b\n\"\n"), false)
	f.Fuzz(func(t *testing.T, body []byte, header bool) {
		kind := mediaType{name: typeCSV}
		if header {
			kind.params = map[string]string{"header": "present"}
		}
		checkParse(t, kind, body)
	})
}

func FuzzMultipart(f *testing.F) {
	body, kind := form(f, []string{"one", "two"}, map[string]string{"top_k": "1"})
	f.Add(body, parseMediaType(kind).params["boundary"])
	f.Add([]byte("--a\r\n\r\n--a--"), "a")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		checkParse(t, mediaType{name: typeMultipart, params: map[string]string{"boundary": boundary}}, body)
	})
}
