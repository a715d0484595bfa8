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

// openInference checks the Open Inference Protocol.
func openInference() []Check {
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
