package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
)

// What a variable holds that the server cannot follow is told under the variable's own name.
func TestRegression_ServeNamesTheVariable(t *testing.T) {
	for name, value := range map[string]string{
		"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/plain",
		"SAGEMAKER_CONTAINER_LOG_LEVEL":        "chatty",
		"SAGEMAKER_BIND_TO_PORT":               "70000",
		"SAGEMAKER_MAX_PAYLOAD_IN_MB":          "9000",
	} {
		_, err := containerOptions(t, map[string]string{name: value})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), `"`+value+`"`) {
			t.Errorf("%s=%s: got %v, want an error with both", name, value, err)
		}
	}
	for _, accept := range []string{"Application/JSON; charset=utf-8", "application/json; verbose", "application/x-ndjson",
		"text/csv"} {
		if _, err := containerOptions(t, map[string]string{"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": accept}); err != nil {
			t.Errorf("%s: %v", accept, err)
		}
	}
}

// A variable that looks like a flag but is not one gets a warning. It is not an error: Kubernetes
// sets such variables beside a service of that name.
func TestServeWarnsOfUnknownVariables(t *testing.T) {
	base := t.TempDir()
	madeUp(t, layout.Tree(base).Model())
	a := &app{stderr: new(bytes.Buffer), environ: func() []string {
		return []string{"REHEAD_SERVE_MAX_BODI=1", "REHEAD_SERVE_TOP=2", "REHEAD_SERVE_PORT=tcp://10.0.0.1:80", "PATH=/bin"}
	}, getenv: func(name string) string {
		return map[string]string{"SAGEMAKER_BASE_DIR": base, "REHEAD_SERVE_TOP": "2"}[name]
	}}
	var o serveOptions
	if _, err := a.containerServe(serveCommand(a, &o).Flags(), &o); err != nil {
		t.Fatal(err)
	}
	if len(o.warnings) != 2 || !strings.Contains(o.warnings[0], "REHEAD_SERVE_MAX_BODI is not a flag") ||
		!strings.Contains(o.warnings[0], "REHEAD_SERVE_MAX_BODY") ||
		!strings.Contains(o.warnings[1], "REHEAD_SERVE_PORT") {
		t.Errorf("got %q, want two, the first with the nearest flag", o.warnings)
	}
}

// An archive that has the model's folder around its files is a common slip.
func TestRegression_ServeFindsTheModelBelow(t *testing.T) {
	base := t.TempDir()
	inner := filepath.Join(layout.Tree(base).Model(), "flowers")
	if err := os.MkdirAll(filepath.Dir(inner), 0o755); err != nil {
		t.Fatal(err)
	}
	madeUp(t, inner)
	var stderr bytes.Buffer
	a := &app{stdout: new(bytes.Buffer), stderr: &stderr, getenv: func(name string) string {
		return map[string]string{"SAGEMAKER_BASE_DIR": base}[name]
	}}
	code := run(t.Context(), a, []string{"serve"})
	if code != exitFailed || !strings.Contains(stderr.String(), inner) ||
		!strings.Contains(stderr.String(), "rehead export") {
		t.Errorf("code %d, %q: want where the model is and how it is packed", code, stderr.String())
	}
}
