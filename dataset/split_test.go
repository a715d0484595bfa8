package dataset_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
)

func split(t testing.TB, f *dataset.Folder, cfg dataset.SplitConfig) map[string]dataset.Split {
	t.Helper()
	if err := f.Split(cfg); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]dataset.Split)
	for _, it := range f.Items {
		out[it.Rel] = it.Split
	}
	return out
}

func same(a, b map[string]dataset.Split) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// TestSplitFractions: by the first rule shares are what a hash gives, by quotas they are exact.
func TestSplitFractions(t *testing.T) {
	for _, cfg := range []dataset.SplitConfig{{}, {Validation: 0.25, Test: 0.3}, {Validation: -1, Test: 0.2},
		{Validation: 0.2, Test: -1}, {Validation: -1, Test: -1}, {Rule: 1}, {Rule: 1, Validation: 0.25, Test: 0.3}} {
		f := made("r", 4, 5000)
		split(t, f, cfg)
		want := [3]float64{dataset.Validation: cfg.Validation, dataset.Test: cfg.Test}
		for _, s := range []dataset.Split{dataset.Validation, dataset.Test} {
			if want[s] == 0 {
				want[s] = 0.1
			}
			want[s] = max(want[s], 0)
		}
		want[dataset.Train] = 1 - want[dataset.Validation] - want[dataset.Test]
		for label, counts := range f.Counts() {
			for s, n := range counts {
				got, sigma := float64(n)/5000, math.Sqrt(want[s]*(1-want[s])/5000)
				if cfg.Rule != 1 {
					sigma = 1e-9
				}
				if !(math.Abs(got-want[s]) <= 4*sigma) {
					t.Errorf("%+v: label %d has %v in %v, want %v", cfg, label, got, dataset.Split(s), want[s])
				}
			}
		}
	}
}

// TestSplitIsStable: moving or renaming the root changes nothing, and pictures that are added or
// taken away move no more others than they are, at the edges of their label's quotas.
func TestSplitIsStable(t *testing.T) {
	want := split(t, made("here", 3, 400), dataset.SplitConfig{})
	if got := split(t, made("/some/where/else", 3, 400), dataset.SplitConfig{}); !same(got, want) {
		t.Error("moving the root changes the split")
	}
	if same(split(t, made("here", 3, 400), dataset.SplitConfig{Salt: "other"}), want) {
		t.Error("another salt gives the same split")
	}
	for _, added := range []int{1, 7, 40, 400} {
		f := made("here", 3, 400)
		for i := range added {
			rel := fmt.Sprintf("%s/new%d.jpg", f.Labels[1], i)
			f.Items = append(f.Items, dataset.Item{Path: "here/" + rel, Rel: rel, Label: 1})
		}
		got, moved := split(t, f, dataset.SplitConfig{}), 0
		for rel, s := range want {
			if got[rel] == s {
				continue
			}
			moved++
			if !strings.HasPrefix(rel, f.Labels[1]+"/") || s != dataset.Train && got[rel] != dataset.Train {
				t.Errorf("%d pictures more move %s from %v to %v", added, rel, s, got[rel])
			}
		}
		// two edges; a quota of a tenth grows by a picture for each ten, and its edge strays by
		// chance
		if most := 2 + 2*int(math.Sqrt(float64(added))); moved > most {
			t.Errorf("%d pictures more move %d, want at most %d", added, moved, most)
		}
	}
	// The split is part of the format: these never change.
	got := ""
	for _, it := range made("here", 3, 60).Items {
		got += want[it.Rel].String()[:2]
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(got)))[:16]; sum != goldenQuotas {
		t.Errorf("the split of rule 2 changed: got digest %s of %s", sum, got)
	}
}

const goldenQuotas = "f13c3c1dbdceda1e"

// TestSplitNumberedFiles: files that are numbered alike in every label do not fall alike, and every
// label's shares are within a group of what is wanted.
func TestSplitNumberedFiles(t *testing.T) {
	for _, size := range []int{1, 3, 30} { // pictures a group has at most
		for salt := range 20 {
			f := &dataset.Folder{Root: "r", Labels: []string{"a", "b", "c", "d"}}
			for label := range f.Labels {
				group, left := 0, 1 // groups of 1, 2 .. size pictures
				for i := range 140 {
					if left == 0 {
						group++
						left = 1 + group%size
					}
					left--
					rel := fmt.Sprintf("%s/%04d_nohash_%d.jpg", f.Labels[label], group, i)
					f.Items = append(f.Items, dataset.Item{Path: "r/" + rel, Rel: rel, Label: label})
				}
			}
			got := split(t, f, dataset.SplitConfig{Salt: fmt.Sprint(salt), Validation: 0.15})
			alike := 0
			for i := range 140 {
				if it := f.Items[i]; it.Split == dataset.Test && got["b"+it.Rel[1:]] == dataset.Test {
					alike++
				}
			}
			if size == 1 && alike > 8 { // 1.4 by chance
				t.Errorf("salt %d: %d of 14 test pictures have the same names in two labels", salt, alike)
			}
			for label, c := range f.Counts() {
				for s, want := range map[dataset.Split]int{dataset.Validation: 21, dataset.Test: 14} {
					if c[s] < want-size+1 || c[s] > want+size-1 {
						t.Errorf("groups up to %d, salt %d, label %d: got %v, want %d in %v", size, salt, label, c, want, s)
					}
				}
			}
		}
	}
}

// TestFirstRuleIsStable: moving or renaming the root, adding pictures, removing pictures changes
// nothing for the others, by the rule of earlier models.
func TestFirstRuleIsStable(t *testing.T) {
	want := split(t, made("here", 3, 400), dataset.SplitConfig{Rule: 1})
	if got := split(t, made("/some/where/else", 3, 400), dataset.SplitConfig{Rule: 1}); !same(got, want) {
		t.Error("moving the root changes the split")
	}
	more := split(t, made("here", 3, 900), dataset.SplitConfig{Rule: 1})
	for rel, s := range want {
		if more[rel] != s {
			t.Errorf("adding pictures moves %s from %v to %v", rel, s, more[rel])
		}
	}
	renamed := made("here", 3, 400)
	for i := range renamed.Items {
		renamed.Items[i].Rel = strings.Replace(renamed.Items[i].Rel, "label", "kind", 1)
	}
	for rel, s := range split(t, renamed, dataset.SplitConfig{Rule: 1}) {
		if want[strings.Replace(rel, "kind", "label", 1)] != s {
			t.Errorf("renaming the label moves %s", rel)
		}
	}
	if same(split(t, made("here", 3, 400), dataset.SplitConfig{Rule: 1, Salt: "other"}), want) {
		t.Error("another salt gives the same split")
	}
	// The split is part of the format: these never change.
	got := ""
	for _, it := range made("here", 1, 60).Items {
		got += want[it.Rel].String()[:2]
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(got)))[:16]; sum != goldenSplit {
		t.Errorf("the split of rule 1 changed: got digest %s of %s", sum, got)
	}
}

const goldenSplit = "530b21cc8c900cbc"

func TestSplitFloors(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for salt := range 20 {
			for _, cfg := range []dataset.SplitConfig{{}, {Validation: 0.01, Test: 0.01}, {Validation: 0.49, Test: 0.5},
				{Validation: -1}, {Test: -1}, {Validation: -1, Test: -1}} {
				cfg.Salt, cfg.Rule = fmt.Sprint(salt), 1+salt%2
				f := made("r", 1, n)
				split(t, f, cfg)
				c := f.Counts()[0]
				wantV, wantT := cfg.Validation >= 0, cfg.Test >= 0
				if c[dataset.Train] < 1 {
					t.Fatalf("%+v: %d pictures: %v: nothing to train on", cfg, n, c)
				}
				if !wantV && c[dataset.Validation] > 0 || !wantT && c[dataset.Test] > 0 {
					t.Fatalf("%+v: %d pictures: %v: an unwanted split", cfg, n, c)
				}
				if n >= 3 && (wantV && c[dataset.Validation] < 1 || wantT && c[dataset.Test] < 1) {
					t.Fatalf("%+v: %d pictures: %v: an empty split", cfg, n, c)
				}
				if n == 2 && wantT && c[dataset.Test] != 1 {
					t.Fatalf("%+v: two pictures: %v", cfg, c)
				}
			}
		}
	}
}

func TestSplitGroups(t *testing.T) {
	f := made("r", 3, 600)
	for i := range f.Items {
		f.Items[i].Rel = fmt.Sprintf("%s/person%03d_nohash_%d.jpg", f.Labels[f.Items[i].Label], i%600/4, i)
	}
	split(t, f, dataset.SplitConfig{})
	for i, it := range f.Items {
		if first := f.Items[i/4*4]; first.Split != it.Split {
			t.Errorf("%s is in %v, %s in %v", it.Rel, it.Split, first.Rel, first.Split)
		}
	}
	for label, c := range f.Counts() {
		if c[0] == 600 || c[1] == 0 || c[2] == 0 {
			t.Errorf("label %d: %v", label, c)
		}
	}
}

func TestSplitUnique(t *testing.T) {
	f := made("r", 2, 300)
	sums := make([][sha256.Size]byte, len(f.Items))
	for i := range sums {
		sums[i] = sha256.Sum256([]byte{byte(i % 100), byte(i / 300)}) // each picture three times in its label
	}
	sums[7], sums[307], sums[317] = [32]byte{1}, [32]byte{1}, [32]byte{1} // and one under both labels
	if err := f.SplitUnique(dataset.SplitConfig{}, sums); err != nil {
		t.Fatal(err)
	}
	in := make(map[[sha256.Size]byte]dataset.Split)
	for i, it := range f.Items {
		if s, met := in[sums[i]]; met && s != it.Split {
			t.Errorf("%s is in %v, its equal in %v", it.Rel, it.Split, s)
		}
		in[sums[i]] = it.Split
	}
	if in[[32]byte{1}] != dataset.Train {
		t.Errorf("a picture under two labels is in %v, want train", in[[32]byte{1}])
	}
	for label, c := range f.Counts() {
		if c[1] == 0 || c[2] == 0 {
			t.Errorf("label %d: %v", label, c)
		}
	}
	if err := f.SplitUnique(dataset.SplitConfig{}, sums[1:]); err == nil {
		t.Error("a digest too few accepted")
	}
	// Without equal pictures it is Split.
	for i := range sums {
		sums[i] = sha256.Sum256([]byte(f.Items[i].Rel))
	}
	if err := f.SplitUnique(dataset.SplitConfig{}, sums); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]dataset.Split)
	for _, it := range f.Items {
		got[it.Rel] = it.Split
	}
	if !same(got, split(t, f, dataset.SplitConfig{})) {
		t.Error("without equal pictures SplitUnique differs from Split")
	}
}

// TestSplitLegacy holds the legacy split against answers of retrain.py's own lines (Python's
// hashlib and re), v, e (test) or t a path.
func TestSplitLegacy(t *testing.T) {
	for _, test := range []struct {
		name, want       string
		validation, test float64
		path             func(i int) string
	}{
		{"plain", "ttttttttetttttvetvteetvtvttttttttvvvteteeetvttttttttttttttttttttttetttvttttvttttttvttvtttttttevttvttttvttettttettttttvtt", 0, 0.1,
			func(i int) string { return fmt.Sprintf("flower_photos/daisy/%d.jpg", i) }},
		{"groups", "vvvvvvtttvvvtttvvvttttttttttttttteeetttvvvtttttttttvvvvvvtttttttttttttttvvveeettteeevvvttteeetttttttttttteeetttttttttvvv", 0.3, 0.2,
			func(i int) string { return fmt.Sprintf("flower_photos/daisy/%d_nohash_%d.jpg", i/3, i%3) }},
		{"mark in the root", "tttttttttt", 0.3, 0.2,
			func(i int) string { return fmt.Sprintf("/dataf_nohash_/r/%d.jpg", i) }},
		{"line ends", "tvtteevvtvtttevtttevevtttvttvvetttttvvvvevetvttvtttttvevette", 0.3, 0.2,
			func(i int) string {
				return fmt.Sprintf("a%d%s", i/3, []string{"_nohash_\n", "_nohash_x\ny", "ü"}[i%3])
			}},
	} {
		f := &dataset.Folder{Labels: []string{"a"}}
		for i := range len(test.want) {
			f.Items = append(f.Items, dataset.Item{Path: test.path(i), Rel: "a/x"})
		}
		split(t, f, dataset.SplitConfig{Validation: test.validation, Test: test.test, Legacy: true, Salt: "not used"})
		got := ""
		for _, it := range f.Items {
			got += map[dataset.Split]string{dataset.Train: "t", dataset.Validation: "v", dataset.Test: "e"}[it.Split]
		}
		if got != test.want {
			t.Errorf("%s: got\n%s, want\n%s", test.name, got, test.want)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, cfg := range []dataset.SplitConfig{{Validation: 1}, {Test: 1.5}, {Validation: 0.5, Test: 0.5},
		{Validation: math.NaN()}, {Test: math.NaN()}, {Validation: 0.95}, {Rule: -1}, {Rule: 3}} {
		if err := made("r", 2, 5).Split(cfg); err == nil {
			t.Errorf("%+v accepted", cfg)
		}
	}
	f := &dataset.Folder{Root: "r", Items: []dataset.Item{{Path: "r/a.png", Rel: "a.png", Label: -1}}}
	if err := f.Split(dataset.SplitConfig{}); err == nil {
		t.Error("a list without labels was split")
	}
}

func TestSplitStratified(t *testing.T) {
	f := made("r", 4, 130)
	split(t, f, dataset.SplitConfig{Rule: 1, Stratified: true, Validation: 0.2, Test: 0.1})
	for label, c := range f.Counts() {
		if c != [3]int{91, 26, 13} {
			t.Errorf("label %d: got %v", label, c)
		}
	}
}
