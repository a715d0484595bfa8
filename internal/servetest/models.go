package servetest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// models checks a multi-model endpoint. Each check loads what it needs under a name of its own and
// unloads it.
func models() []Check {
	return []Check{
		{54, "ready without models", Multi, func(t *testing.T, s *Subject) {
			s.ask(t, http.MethodGet, "/ping", nil).want(t, http.StatusOK, "")
			s.ask(t, http.MethodGet, "/models", nil).want(t, http.StatusOK, `{"models":[]}`)
		}},
		{55, "loading", Multi, func(t *testing.T, s *Subject) {
			s.load(t, "a55", "one").want(t, http.StatusOK, "")
			defer s.unload(t, "a55")
			s.load(t, "a55", "one").want(t, http.StatusConflict, "loaded")
			s.load(t, "b55", "broken").want(t, http.StatusBadRequest, "")
			s.load(t, "b55", "absent").want(t, http.StatusNotFound, "")
			s.loadURL(t, "b55", s.Folder+"/..").want(t, http.StatusBadRequest, "")
		}},
		{56, "list and show", Multi, func(t *testing.T, s *Subject) {
			for _, name := range []string{"b56", "a56"} {
				s.load(t, name, "one").want(t, http.StatusOK, "")
				defer s.unload(t, name)
			}
			entry := func(name string) string { return fmt.Sprintf(`{"modelName":%q,"modelUrl":%q}`, name, s.path("one")) }
			s.ask(t, http.MethodGet, "/models", nil).want(t, http.StatusOK, `{"models":[`+entry("a56")+","+entry("b56")+`]}`)
			s.ask(t, http.MethodGet, "/models?limit=1", nil).want(t, http.StatusOK, `"nextPageToken":"1"`)
			s.ask(t, http.MethodGet, "/models?limit=1&next_page_token=1", nil).want(t, http.StatusOK,
				`{"models":[`+entry("b56")+`]}`)
			s.ask(t, http.MethodGet, "/models/a56", nil).want(t, http.StatusOK, entry("a56"))
			s.ask(t, http.MethodGet, "/models/c56", nil).want(t, http.StatusNotFound, "")
		}},
		{57, "unloading", Multi, func(t *testing.T, s *Subject) {
			s.load(t, "a57", "one").want(t, http.StatusOK, "")
			s.unload(t, "a57")
			s.ask(t, http.MethodDelete, "/models/a57", nil).want(t, http.StatusNotFound, "")
		}},
		{58, "a model's own invocations", Multi, func(t *testing.T, s *Subject) {
			s.ask(t, http.MethodPost, "/models/a58/invoke", s.Samples[0].Picture).want(t, http.StatusNotFound, "")
			s.load(t, "a58", "one").want(t, http.StatusOK, "")
			defer s.unload(t, "a58")
			for _, sample := range s.Samples {
				a := s.ask(t, http.MethodPost, "/models/a58/invoke", sample.Picture, "Content-Type", "application/x-image",
					"X-Amzn-SageMaker-Target-Model", "a.tar.gz")
				s.wantRecord(t, a.want(t, http.StatusOK, "").body, sample)
			}
		}},
		{59, "the form of errors", Multi, func(t *testing.T, s *Subject) {
			var got struct {
				Code    int    `json:"code"`
				Type    string `json:"type"`
				Message string `json:"message"`
			}
			s.ask(t, http.MethodGet, "/models/a59", nil).want(t, http.StatusNotFound, "").decode(t, &got)
			if got.Code != http.StatusNotFound || got.Type != "ModelNotFoundException" || got.Message == "" {
				t.Errorf("got %+v", got)
			}
		}},
	}
}

func (s *Subject) path(name string) string { return s.Folder + "/" + name + "/model" }

func (s *Subject) load(t *testing.T, name, folder string) answer {
	t.Helper()
	return s.loadURL(t, name, s.path(folder))
}

func (s *Subject) loadURL(t *testing.T, name, url string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"model_name": name, "url": url})
	if err != nil {
		t.Fatal(err)
	}
	return s.ask(t, http.MethodPost, "/models", body, "Content-Type", "application/json")
}

func (s *Subject) unload(t *testing.T, name string) {
	t.Helper()
	s.ask(t, http.MethodDelete, "/models/"+name, nil).want(t, http.StatusOK, "")
}

// inference checks the Open Inference Protocol.
func inference() []Check {
	return []Check{
		{60, "health", Plain, func(t *testing.T, s *Subject) {
			s.ask(t, http.MethodGet, "/v2/health/live", nil).want(t, http.StatusOK, `{"live":true}`)
			s.ask(t, http.MethodGet, "/v2/health/ready", nil).want(t, http.StatusOK, `{"ready":true}`)
			s.ask(t, http.MethodGet, "/v2/models/model/ready", nil).want(t, http.StatusOK, `{"name":"model","ready":true}`)
			s.ask(t, http.MethodGet, "/v2/models/model/versions/1/ready", nil).want(t, http.StatusOK, `"ready":true`)
			s.ask(t, http.MethodGet, "/v2/models/other/ready", nil).wantError(t, http.StatusNotFound, "")
		}},
		{61, "metadata", Plain, func(t *testing.T, s *Subject) {
			s.ask(t, http.MethodGet, "/v2", nil).want(t, http.StatusOK, `"name":"rehead"`)
			text := s.ask(t, http.MethodGet, "/v2/models/model", nil).want(t, http.StatusOK,
				`"platform":"rehead_safetensors"`).body
			want := fmt.Sprintf(`{"name":"probabilities","datatype":"FP64","shape":[-1,%d]}`, len(s.Labels))
			if !strings.Contains(text, want) {
				t.Errorf("got %s, want %s in it", text, want)
			}
		}},
		{62, "infer", Plain, func(t *testing.T, s *Subject) {
			var data []string
			var want []float64
			for _, sample := range s.Samples {
				data = append(data, `"`+base64.StdEncoding.EncodeToString(sample.Picture)+`"`)
				want = append(want, s.ordered(sample)...)
			}
			body := fmt.Sprintf(`{"id":"7","inputs":[{"name":"image","datatype":"BYTES","shape":[%d],"data":[%s]}]}`,
				len(data), strings.Join(data, ","))
			var got struct {
				ID      string `json:"id"`
				Outputs []struct {
					Name  string          `json:"name"`
					Shape []int           `json:"shape"`
					Data  json.RawMessage `json:"data"`
				} `json:"outputs"`
			}
			a := s.ask(t, http.MethodPost, "/v2/models/model/infer", []byte(body)).want(t, http.StatusOK, "")
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got.Outputs) == 0 {
				t.Fatalf("%.300s: %v", a.body, err)
			}
			var p []float64
			if err := json.Unmarshal(got.Outputs[0].Data, &p); err != nil {
				t.Fatal(err)
			}
			wantFloats(t, p, want)
			if got.ID != "7" || !slices.Equal(got.Outputs[0].Shape, []int{len(data), len(s.Labels)}) {
				t.Errorf("got id %q and shape %v", got.ID, got.Outputs[0].Shape)
			}
			s.ask(t, http.MethodPost, "/v2/models/other/infer", []byte(body)).wantError(t, http.StatusNotFound, "")
			s.ask(t, http.MethodPost, "/v2/models/model/infer", []byte("{")).wantError(t, http.StatusBadRequest, "")
		}},
	}
}
