package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPagesNameWhatIsThere: every relative link of a page, and every path of this repository
// between backticks on the pages that say where things are, leads to a file or a folder.
func TestPagesNameWhatIsThere(t *testing.T) {
	root := filepath.Dir(here)
	pages, err := filepath.Glob(filepath.Join(here, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md"))
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	path := regexp.MustCompile("`((?:nn|inception|dataset|train|serve|cmd|internal|docs)" +
		"(?:/\\w+)+(?:\\.(?:go|md|yml))?)[`.]")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil && !strings.Contains(m[1], "://") {
				t.Errorf("%s: there is no %s", filepath.Base(page), m[1])
			}
		}
		switch filepath.Base(page) {
		case "design.md", "style.md", "CONTRIBUTING.md", "README.md":
		default: // names things of their day
			continue
		}
		for _, m := range path.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: there is no %s", filepath.Base(page), m[1])
			}
		}
	}
}
