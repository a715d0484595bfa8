package serve

import (
	"context"
	"image/color"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/servetest"
	"github.com/c236555e/rehead/nn"
)

// The contract's list of checks, against the handler in this process; TestContractContainer of the
// command line runs it against a container.
func TestContractInProcess(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "one", "model")
	if err := os.MkdirAll(filepath.Join(folder, "broken", "model"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "broken", "model", "model.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	save(t, path, "label", 3)
	subject := servetest.Subject{Folder: folder, MaxBody: 1 << 20}
	c := opened(t, path)
	subject.Labels = c.Model().Labels
	for i := range 3 {
		p := colorPNG(t, 40+i, 30, color.RGBA{R: uint8(90 * i), G: 90, B: 220, A: 255})
		results, err := c.Classify(t.Context(), &inception.Input{Data: p})
		if err != nil {
			t.Fatal(err)
		}
		subject.Samples = append(subject.Samples, servetest.Sample{Picture: p, Ranking: results[0].Predictions})
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for mode, cfg := range map[servetest.Mode]Config{
		servetest.Plain: {}, servetest.Batch: {Batch: true}, servetest.Builtin: {Compat: CompatBuiltin},
		servetest.TFBlog: {Compat: CompatTFBlog},
		servetest.Multi: {MultiModel: true, ModelRoot: folder,
			Open: func(_ context.Context, path string) (Classifier, error) {
				m, err := inception.OpenModel(path)
				if err != nil {
					return nil, err
				}
				return inception.NewClassifier(m, nn.Config{})
			}},
	} {
		t.Run(string(mode), func(t *testing.T) {
			cfg.MaxBodyBytes = subject.MaxBody
			var model Classifier
			if mode != servetest.Multi {
				model = opened(t, path)
			}
			server := httptest.NewServer(newServer(t, model, cfg).Handler())
			defer server.Close()
			s := subject
			s.URL, s.Mode = server.URL, mode
			servetest.Run(t, &s)
		})
	}
}

func opened(t *testing.T, path string) *inception.Classifier {
	t.Helper()
	m, err := inception.OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
