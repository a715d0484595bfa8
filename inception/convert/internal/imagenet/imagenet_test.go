package imagenet

import (
	"slices"
	"strings"
	"testing"
)

// TestTable: complete, sorted, no name twice, and the challenge's numbers a permutation.
func TestTable(t *testing.T) {
	all := classes()
	if len(all) != 1000 {
		t.Fatalf("%d classes, want 1000", len(all))
	}
	names, numbers := map[string]bool{}, map[int]int{}
	for i, c := range all {
		if len(c.synset) != 9 || c.synset[0] != 'n' || i > 0 && c.synset <= all[i-1].synset {
			t.Errorf("synset %q at %d", c.synset, i)
		}
		if names[c.name] || c.name == "" || strings.TrimSpace(c.name) != c.name {
			t.Errorf("name %q is there twice or odd", c.name)
		}
		names[c.name] = true
		numbers[c.number]++
	}
	for n := 1; n <= 1000; n++ {
		if numbers[n] != 1 {
			t.Errorf("number %d is there %d times, want once", n, numbers[n])
		}
	}
}

// TestAnchors: classes whose place is published elsewhere: Keras's class index, the first and last
// lines of the challenge's list, and entries that documents about 2015's label map quote.
func TestAnchors(t *testing.T) {
	for i, want := range map[int]class{
		0: {"n01440764", 449, "tench"}, 1: {"n01443537", 450, "goldfish"}, 3: {"n01491361", 443, "tiger shark"},
		15: {"n01558993", 391, "robin"}, 388: {"n02510455", 169, "giant panda"}, 997: {"n13054560", 981, "bolete"},
		278: {"n02119789", 1, "kit fox"}, 212: {"n02100735", 2, "English setter"},
		250: {"n02110185", 3, "Siberian husky"}, 543: {"n03255030", 1000, "dumbbell"}, 285: {"n02124075", 8, "Egyptian cat"},
		638: {"n03710637", 782, "maillot"}, 639: {"n03710721", 977, "maillot tank suit"},
	} {
		got := classes()[i]
		if got != want {
			t.Errorf("class %d is %+v, want %+v", i, got, want)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, c := range []struct {
		n, i int
		want string
	}{
		{1000, 0, "tench"}, {1000, 999, "toilet tissue"}, {1001, 0, "background"}, {1001, 1, "tench"},
		{1001, 1000, "toilet tissue"},
		{1008, 0, "background"}, {1008, 1, "kit fox"}, {1008, 169, "giant panda"}, {1008, 1000, "dumbbell"},
		{1008, 1007, "unused 1007"}, {1008, 782, "maillot"},
	} {
		l := Labels(c.n)
		if len(l) != c.n || l[c.i] != c.want {
			t.Errorf("%d classes: %d labels, number %d is %q, want %q", c.n, len(l), c.i, l[c.i], c.want)
		}
		s := slices.Clone(l)
		slices.Sort(s)
		if len(slices.Compact(s)) != c.n {
			t.Errorf("%d classes: a label is there twice", c.n)
		}
	}
	if Labels(5) != nil {
		t.Error("5 classes have labels")
	}
	if Name("n01440764") != "tench" || Name("n02119789") != "kit fox" || Name("x") != "" {
		t.Error("synsets and names do not match")
	}
}
