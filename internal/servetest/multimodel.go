package servetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// multiModel checks a multi-model endpoint. Each check loads what it needs under a name of its own
// and unloads it.
func multiModel() []Check {
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
