package inception

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSaveKeepsOlder: with Kept an older model stands beside the new one under the next number, and
// opens; what is not asked for is not kept.
func TestSaveKeepsOlder(t *testing.T) {
	m := small(t)
	dir := filepath.Join(t.TempDir(), "m")
	kept := "nothing yet"
	for seed := range uint64(3) {
		next := *m
		next.Seed, next.SelfTest, next.Name = seed, nil, "pets"
		kept = ""
		mustSave(t, &next, dir, SaveOptions{NoTrunk: true, Kept: &kept})
		want := ""
		if seed > 0 {
			want = dir + ".bak-" + string(rune('0'+seed))
		}
		if filepath.Base(kept) != filepath.Base(want) && want != "" || want == "" && kept != "" {
			t.Errorf("model %d: kept %q, want %q", seed, kept, want)
		}
	}
	if got := mustOpen(t, dir+".bak-1"); got.Seed != 0 || got.Name != "pets" {
		t.Errorf("the first model is kept as seed %d, %q", got.Seed, got.Name)
	}
	mustSave(t, m, dir, SaveOptions{NoTrunk: true})
	if list, _ := os.ReadDir(filepath.Dir(dir)); len(list) != 3 {
		t.Errorf("got %d entries, want the model and two older ones", len(list))
	}
	for name, want := range map[string]bool{"m.bak-1": true, "m.bak-12": true, "m": false, ".bak-1": false,
		"m.bak-x":        false,
		"m.bak-1.tar.gz": false} {
		if IsBackup(name) != want {
			t.Errorf("%q: got %t", name, !want)
		}
	}
}

// TestDistance: the square of the distance from a label's mean, less the shares of what lies along the
// directions, is stored and counts in the score.
func TestDistance(t *testing.T) {
	d := &Distance{Features: 3, Means: []float32{0, 0, 0, 1, 1, 1}, Directions: []float32{1, 0, 0},
		Shares: []float32{0.75}}
	if got := d.Of(1, []float32{3, 2, 1}); got != 4*0.25+1 {
		t.Errorf("got %g, want %g", got, 4*0.25+1)
	}
	u, logits := Unknown{Weight: 0.5, FalseReject: 0.1}, []float64{0, 2}
	if got, want := u.Score(d, logits, []float32{3, 2, 1}), UnknownScore(logits)-0.5*2; math.Abs(got-want) > 1e-12 {
		t.Errorf("score: got %g, want %g", got, want)
	}
	m := small(t)
	f := m.Head.Features
	m.Unknown = &Unknown{FalseReject: 0.1, Weight: 2, Threshold: -3}
	m.Distance = &Distance{Features: f, Means: make([]float32, m.Head.Classes*f), Directions: make([]float32, f),
		Shares: []float32{0.5}}
	m.Distance.Means[1], m.Distance.Directions[0] = 0.25, 1
	plain := *m
	plain.Distance, plain.Unknown = nil, &Unknown{FalseReject: 0.1, Threshold: -3}
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{NoTrunk: true})
	back := mustOpen(t, dir)
	if back.Distance == nil || !slices.Equal(back.Distance.Means, m.Distance.Means) || back.Unknown.Weight != 2 ||
		!slices.Equal(back.Distance.Directions, m.Distance.Directions) || back.Distance.Shares[0] != 0.5 {
		t.Errorf("saved and opened: got %+v", back.Distance)
	}
	a, errA := m.Digest()
	b, errB := plain.Digest()
	if errA != nil || errB != nil || a == b {
		t.Errorf("digests %s, %s, %v, %v: want two", a, b, errA, errB)
	}
	for what, change := range map[string]func(m *Model){
		"distances without a line": func(m *Model) { m.Unknown = nil },
		"there are distances":      func(m *Model) { m.Distance = nil },
		"0 or more":                func(m *Model) { m.Unknown = &Unknown{FalseReject: 0.1, Weight: math.NaN()} },
		"want those of a linear":   func(m *Model) { m.Distance = &Distance{Features: f + 1} },
		"is not finite": func(m *Model) {
			bad := *m.Distance
			bad.Shares = []float32{float32(math.Inf(1))}
			m.Distance = &bad
		},
	} {
		wrong := *m
		change(&wrong)
		if err := wrong.Validate(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
