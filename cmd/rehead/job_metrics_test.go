package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
)

// Contract 9, 25, 27, 28: every metric definition of docs/sagemaker.md finds a number on a job's
// log.
func TestMetricDefinitions(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "sagemaker.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "### Metrics")
	_, rest, _ = strings.Cut(rest, "```json\n")
	block, _, found := strings.Cut(rest, "```")
	var definitions []struct{ Name, Regex string }
	if err := json.Unmarshal([]byte(block), &definitions); err != nil || !found || len(definitions) < 5 ||
		len(definitions) > 40 {
		t.Fatalf("got %d definitions of %q: %v", len(definitions), block, err)
	}
	l := jobFolder(t, 12)
	layouttest.Config(t, l, "hyperparameters.json", `{"testing_percentage":"20","validation_percentage":"20"}`)
	_, log := trained(t, l)
	for _, d := range definitions {
		found := regexp.MustCompile(d.Regex).FindAllStringSubmatch(log, -1)
		if len(found) == 0 {
			t.Errorf("%s: %s finds nothing in\n%s", d.Name, d.Regex, log)
		}
		for _, m := range found {
			if v, err := strconv.ParseFloat(m[1], 64); err != nil || v < 0 {
				t.Errorf("%s: got %q (%v), want a number", d.Name, m[1], err)
			}
		}
	}
}
