package inception

import (
	"path/filepath"
	"testing"
)

// TestModelDigest: the digest follows all that decides an answer, and nothing else; a model that
// was saved and opened keeps it.
func TestModelDigest(t *testing.T) {
	digest := func(m *Model) string {
		t.Helper()
		d, err := m.Digest()
		if err != nil || len(d) != 64 {
			t.Fatalf("got %q, %v", d, err)
		}
		return d
	}
	m := small(t)
	want := digest(m)
	dir := filepath.Join(t.TempDir(), "model")
	if err := m.Save(dir, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	opened, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	opened.Seed, opened.Training = 99, nil
	if got := digest(opened); got != want {
		t.Errorf("opened: got %s, want %s", got, want)
	}
	seen := map[string]string{want: "the model"}
	for name, change := range map[string]func(m *Model){
		"a label":       func(m *Model) { m.Labels = append([]string{"other"}, m.Labels[1:]...) },
		"the head":      func(m *Model) { m.Head.W = append([]float32{7}, m.Head.W[1:]...) },
		"a temperature": func(m *Model) { m.Temperature = 3 },
		"an unknown":    func(m *Model) { m.Unknown = &Unknown{Threshold: 1, FalseReject: 0.1} },
		"the recipe":    func(m *Model) { m.Recipe.Stretch = !m.Recipe.Stretch },
		"the trunk":     func(m *Model) { m.Trunk, m.TrunkDigest = nil, want },
		"what is read": func(m *Model) {
			m.Reads = &Features{Blocks: []string{"Mixed_7c"}, Statistics: []Statistic{Mean}}
		},
	} {
		other := *m
		change(&other)
		d := digest(&other)
		if was, twice := seen[d]; twice {
			t.Errorf("%s: the digest is that of %s", name, was)
		}
		seen[d] = name
	}
	if _, err := (*Model)(nil).Digest(); err == nil {
		t.Error("no model: got no error")
	}
}
