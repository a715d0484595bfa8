package inception

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// A model keeps the self-test that was recorded of it, of drawn pictures where there are no others,
// and passes it when it is opened.
func TestRecordSelfTest(t *testing.T) {
	m := small(t)
	first := m.SelfTest
	for _, pictures := range [][][]byte{nil, {sketch(t, 2, 3)}} {
		m.SelfTest = nil
		if err := RecordSelfTest(t.Context(), m, nn.Config{}, pictures...); err != nil {
			t.Fatal(err)
		}
		if want := max(len(pictures), 2-len(pictures)); len(m.SelfTest.Pictures) != want {
			t.Errorf("got %d pictures, want %d", len(m.SelfTest.Pictures), want)
		}
		path := filepath.Join(t.TempDir(), "m")
		mustSave(t, m, path, SaveOptions{})
		c, err := NewClassifier(mustOpen(t, path), nn.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if c.Model().SelfTest == nil || c.Close() != nil {
			t.Error("the saved model has no self-test")
		}
	}
	m.SelfTest = nil
	if err := RecordSelfTest(t.Context(), m, nn.Config{}); err != nil || len(m.SelfTest.Logits) != len(first.Logits) {
		t.Errorf("got %v", err)
	}
	m.Trunk = nil
	for _, bad := range []*Model{nil, m} {
		if err := RecordSelfTest(t.Context(), bad, nn.Config{}); err == nil || !strings.Contains(err.Error(), "self-test") {
			t.Errorf("without a trunk: got %v", err)
		}
	}
}

// A model without a self-test whose network gives no answer is not fit to be served.
func TestCheckRunsWithoutSelfTest(t *testing.T) {
	c := overflowing(t)
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "self-test") {
		t.Errorf("got %v, want an error of the self-test", err)
	}
}

// A model whose recipe is not that of its trunk is refused, before its network is made.
func TestRegression_ResealedRecipe(t *testing.T) {
	m := small(t)
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{})
	path := filepath.Join(dir, modelJSONFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := parseModelJSON(path, data)
	if err != nil {
		t.Fatal(err)
	}
	doc.Recipe.Size = maxSize
	if data, err = doc.seal(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), "recipe is not that of its trunk") {
		t.Errorf("got %v, want the recipe refused", err)
	}
}

// A model that is saved with its trunk at hand carries a self-test, whether the trunk is stored or
// not, and one whose trunk is attached later is held to it.
func TestSavedModelsCarryASelfTest(t *testing.T) {
	m := small(t)
	m.SelfTest = nil
	for name, opts := range map[string]SaveOptions{"whole": {}, "float16": {DType: "f16"}, "without its trunk": {NoTrunk: true}} {
		path := filepath.Join(t.TempDir(), "m")
		mustSave(t, m, path, opts)
		got := mustOpen(t, path)
		if got.SelfTest == nil || len(got.SelfTest.Pictures) != 2 {
			t.Fatalf("%s: no self-test of two drawn pictures", name)
		}
		if opts.NoTrunk {
			if err := got.AttachTrunk(m.Trunk); err != nil {
				t.Fatal(err)
			}
		}
		check := func() error {
			c, err := NewClassifier(got, nn.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close() //nolint:errcheck // only read
			return c.Check(t.Context())
		}
		if err := check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got.SelfTest.Bottlenecks[1][7] += 1
		if err := check(); err == nil {
			t.Errorf("%s: a wrong answer passes", name)
		}
	}
	m.Trunk = nil
	path := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, path, SaveOptions{NoTrunk: true})
	if mustOpen(t, path).SelfTest != nil {
		t.Error("a self-test came of no trunk")
	}
}
