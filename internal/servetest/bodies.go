package servetest

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// answers checks the forms of answers.
func answers() []Check {
	return []Check{
		{45, "the built-in algorithm's answers", Builtin, func(t *testing.T, s *Subject) {
			for _, kind := range []string{"image/png", "image/jpeg", "application/x-image"} {
				var bare []float64
				s.invoke(t, s.Samples[0].Picture, "Content-Type", kind).want(t, http.StatusOK, "").decode(t, &bare)
				wantFloats(t, bare, s.ordered(s.Samples[0]))
			}
			var line struct {
				Prediction []float64 `json:"prediction"`
			}
			a := s.invoke(t, s.Samples[1].Picture, "Content-Type", "application/x-image", "Accept",
				"application/jsonlines").want(t, http.StatusOK, "")
			a.decode(t, &line)
			wantFloats(t, line.Prediction, s.ordered(s.Samples[1]))
		}},
		{46, "application/json;verbose", Plain, func(t *testing.T, s *Subject) {
			var got struct {
				Probabilities []float64 `json:"probabilities"`
				Labels        []string  `json:"labels"`
				Predicted     string    `json:"predicted_label"`
			}
			s.invoke(t, s.Samples[0].Picture, "Content-Type", "application/x-image", "Accept",
				"application/json;verbose").want(t, http.StatusOK, "").decode(t, &got)
			wantFloats(t, got.Probabilities, s.ordered(s.Samples[0]))
			if !slices.Equal(got.Labels, s.Labels) || got.Predicted != s.Samples[0].Ranking[0].Label {
				t.Errorf("got %+v", got)
			}
		}},
		{48, "the blog's container", TFBlog, func(t *testing.T, s *Subject) {
			s.invoke(t, []byte("x"), "Content-Type", "application/pdf").want(t, http.StatusUnsupportedMediaType,
				"This predictor only supports TXT data")
			s.invoke(t, []byte(" http://169.254.169.254/latest/meta-data\n"), "Content-Type",
				"text/plain; charset=utf-8").want(t, http.StatusBadRequest, "does not fetch")
			a := s.invoke(t, s.Samples[0].Picture, "Content-Type", "image/png").want(t, http.StatusOK, "")
			var got map[string]string
			a.decode(t, &got)
			best := s.Samples[0].Ranking[0]
			if p, err := strconv.ParseFloat(got[best.Label], 64); err != nil || p != best.Probability ||
				!strings.HasPrefix(a.body, `{"`+best.Label+`"`) {
				t.Errorf("got %s, want %v first", a.body, best)
			}
		}},
	}
}

// records checks the forms of requests with several pictures.
func records() []Check {
	return []Check{
		{47, "JSON instances", Plain, func(t *testing.T, s *Subject) {
			var got struct{ Predictions []json.RawMessage }
			s.invoke(t, instances(t, s.Samples), "Content-Type", "application/json").want(t, http.StatusOK, "").decode(t, &got)
			s.wantRecords(t, texts(got.Predictions))
		}},
		{47, "JSON Lines", Plain, func(t *testing.T, s *Subject) {
			a := s.invoke(t, lines(s.Samples), "Content-Type", "application/jsonlines", "Accept",
				"application/jsonlines").want(t, http.StatusOK, "")
			s.wantRecords(t, splitLines(a.body))
		}},
		{47, "CSV", Plain, func(t *testing.T, s *Subject) {
			var rows strings.Builder
			for _, sample := range s.Samples {
				rows.WriteString(base64.StdEncoding.EncodeToString(sample.Picture) + "\n")
			}
			a := s.invoke(t, []byte(rows.String()), "Content-Type", "text/csv", "Accept", "text/csv").want(t, http.StatusOK, "")
			table, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
			if err != nil || len(table) != len(s.Samples) {
				t.Fatalf("got %q and %v, want a row a picture", a.body, err)
			}
			for i, row := range table {
				best := s.Samples[i].Ranking[0]
				if p, err := strconv.ParseFloat(row[1], 64); row[0] != best.Label || p != best.Probability || err != nil {
					t.Errorf("row %d: got %q, want %v first", i+1, row, best)
				}
			}
		}},
		{47, "multipart form", Plain, func(t *testing.T, s *Subject) {
			var b bytes.Buffer
			w := multipart.NewWriter(&b)
			for i, sample := range s.Samples {
				part, err := w.CreateFormFile("file", strconv.Itoa(i))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = part.Write(sample.Picture)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			a := s.invoke(t, b.Bytes(), "Content-Type", w.FormDataContentType(), "Accept", "application/jsonlines").want(t,
				http.StatusOK, "")
			s.wantRecords(t, splitLines(a.body))
		}},
	}
}

// batch checks a batch transform job.
func batch() []Check {
	return []Check{
		{50, "ping, ask, invoke", Batch, func(t *testing.T, s *Subject) {
			s.ask(t, http.MethodGet, "/ping", nil).want(t, http.StatusOK, "")
			s.ask(t, http.MethodGet, "/execution-parameters", nil).want(t, http.StatusOK, "")
			a := s.invoke(t, lines(s.Samples), "Content-Type", "application/jsonlines").want(t, http.StatusOK, "")
			s.wantRecords(t, splitLines(a.body))
		}},
		{51, "execution-parameters", Batch, func(t *testing.T, s *Subject) {
			var got struct {
				MaxConcurrentTransforms, MaxPayloadInMB int
				BatchStrategy                           string
			}
			s.ask(t, http.MethodGet, "/execution-parameters", nil).want(t, http.StatusOK, "").decode(t, &got)
			if got.MaxConcurrentTransforms < 1 || got.MaxPayloadInMB < 1 ||
				got.MaxConcurrentTransforms*got.MaxPayloadInMB > 100 || got.BatchStrategy != "MULTI_RECORD" {
				t.Errorf("got %+v, want MULTI_RECORD and at most 100 MB together", got)
			}
		}},
		{53, "a placeholder for a bad record", Batch, func(t *testing.T, s *Subject) {
			body := lines([]Sample{s.Samples[0], {Picture: []byte("no picture")}, s.Samples[1]})
			got := splitLines(s.invoke(t, body, "Content-Type", "application/jsonlines").want(t, http.StatusOK, "").body)
			if len(got) != 3 {
				t.Fatalf("got %d lines, want 3", len(got))
			}
			s.wantRecord(t, got[0], s.Samples[0])
			s.wantRecord(t, got[2], s.Samples[1])
			var bad record
			answer{body: got[1]}.decode(t, &bad)
			if bad.Error == "" || len(bad.Predictions) > 0 {
				t.Errorf("got %s, want an error in its place", got[1])
			}
		}},
	}
}

// wantRecords fails unless these are the samples' answers.
func (s *Subject) wantRecords(t *testing.T, got []string) {
	t.Helper()
	if len(got) != len(s.Samples) {
		t.Fatalf("got %d records, want %d", len(got), len(s.Samples))
	}
	for i, text := range got {
		s.wantRecord(t, text, s.Samples[i])
	}
}

func wantFloats(t *testing.T, got, want []float64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// instances is a body of pictures in TensorFlow Serving's form, and lines one of JSON Lines.
func instances(t *testing.T, samples []Sample) []byte {
	t.Helper()
	type instance struct {
		B64 []byte `json:"b64"`
	}
	var list []instance
	for _, s := range samples {
		list = append(list, instance{s.Picture})
	}
	body, err := json.Marshal(map[string]any{"instances": list})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func lines(samples []Sample) []byte {
	var b strings.Builder
	for _, s := range samples {
		b.WriteString(`{"b64":"` + base64.StdEncoding.EncodeToString(s.Picture) + "\"}\n")
	}
	return []byte(b.String())
}

func splitLines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func texts(list []json.RawMessage) []string {
	out := make([]string, len(list))
	for i, m := range list {
		out[i] = string(m)
	}
	return out
}
