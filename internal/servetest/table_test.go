package servetest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const items = 68

// tests are the names of all test functions of the module.
func tests(t *testing.T, root string) map[string]bool {
	t.Helper()
	name := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, m := range name.FindAllSubmatch(data, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d tests below %s, %v", len(found), root, err)
	}
	return found
}

// docs/contract.md has each item once and in order; every test that it names exists, and every
// check is named beside its item.
func TestTableIsTrue(t *testing.T) {
	root := filepath.Join("..", "..")
	data, err := os.ReadFile(filepath.Join(root, "docs", "contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	known, checks := tests(t, root), map[string]bool{}
	for _, c := range Checks() {
		key := fmt.Sprintf("%d/%s", c.Item, c.Name)
		if checks[key] {
			t.Errorf("two checks are called %q", key)
		}
		checks[key] = true
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	next := 1
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		item, err := strconv.Atoi(strings.TrimSpace(cells[0]))
		if err != nil {
			continue
		}
		if item != next || len(cells) != 3 {
			t.Fatalf("got row %q, want item %d with three cells", line, next)
		}
		next++
		names := quoted.FindAllStringSubmatch(cells[2], -1)
		if len(names) == 0 && !strings.HasPrefix(cells[2], "none") {
			t.Errorf("item %d has no test", item)
		}
		for _, n := range names {
			if strings.HasPrefix(n[1], strconv.Itoa(item)+"/") && checks[n[1]] {
				delete(checks, n[1])
			} else if !known[n[1]] {
				t.Errorf("item %d: there is no test or check of its own called %q", item, n[1])
			}
		}
	}
	if next != items+1 {
		t.Errorf("the table ends at item %d, want %d", next-1, items)
	}
	for name := range checks {
		t.Errorf("the table does not name the check %q", name)
	}
}
