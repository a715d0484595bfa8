package dataset_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
)

// sets lists the items with their labels.
func sets(f *dataset.Folder) string {
	var out []string
	for i, it := range f.Items {
		out = append(out, it.Rel+":"+f.LabelText(i))
	}
	return strings.Join(out, "|")
}

func TestReadManifestMultiLabel(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
	want := "a/1.png:beach + sunset|a/2.png:none of the labels|b/1.png:sunset|b/2.png:beach"
	numbers := "a/1.png:0 + 2|a/2.png:none of the labels|b/1.png:2|b/2.png:0"
	for _, test := range []struct {
		name, text string
		cfg        dataset.ManifestConfig
		want       string
	}{
		{"csv", "image,label\na/1.png, sunset | beach|sunset\na/2.png,\nb/1.png,sunset\nb/2.png,|beach|\n",
			dataset.ManifestConfig{}, want},
		{"csv, another separator", "image,label\na/1.png,sunset beach\na/2.png,\nb/1.png,sunset\nb/2.png,beach\n",
			dataset.ManifestConfig{Separator: " "}, want},
		{"csv, a line a label", "image,label,weight\na/1.png,sunset,\nb/1.png,sunset,\na/1.png,beach,2\na/2.png,,\nb/2.png,beach,\n", dataset.ManifestConfig{}, want},
		{"csv, a column a label", "image,beach,sunset\na/1.png,1,1\na/2.png,0,\nb/1.png,0,1.0\nb/2.png,1,0\n",
			dataset.ManifestConfig{}, want},
		{"csv, several columns", "image,label,label\na/1.png,sunset,beach\na/2.png,,\nb/1.png,sunset,\nb/2.png,,beach\n",
			dataset.ManifestConfig{}, want},
		{"jsonl", `{"image":"a/1.png","label":["sunset","beach"]}` + "\n" + `{"image":"a/2.png","label":[]}` + "\n" + `{"image":"b/1.png","label":"sunset"}` + "\n" + `{"image":"b/2.png","label":["beach"]}`,
			dataset.ManifestConfig{}, want},
		{"lst, yes and no", "0\t1\t0\t1\ta/1.png\n1\t0\t0\t0\ta/2.png\n2\t0\t0\t1\tb/1.png\n3\t1\t0\t0\tb/2.png\n",
			dataset.ManifestConfig{}, numbers},
		{"lst, classes", "0\t0\t2\ta/1.png\n1\t-1\t-1\ta/2.png\n2\t2\tb/1.png\n3\t0\t-1\tb/2.png\n", dataset.ManifestConfig{},
			numbers},
		{"augmented, yes and no", `{"source-ref":"a/1.png","class":"[1, 0, 1]"}` + "\n" + `{"source-ref":"a/2.png","class":[0,0,0]}` + "\n" + `{"source-ref":"b/1.png","class":[0,0,1]}` + "\n" + `{"source-ref":"b/2.png","class":[1,0,0]}`,
			dataset.ManifestConfig{}, numbers},
		{"ground truth", `{"source-ref":"a/1.png","job":[1,3],"job-metadata":{"class-map":{"1":"sunset","3":"beach"}}}` + "\n" + `{"source-ref":"a/2.png","job":[],"job-metadata":{"class-map":{}}}` + "\n" +
			`{"source-ref":"b/1.png","job":[1],"job-metadata":{"class-map":{"1":"sunset"}}}` + "\n" + `{"source-ref":"b/2.png","job":[3],"job-metadata":{"class-map":{"3":"beach"}}}`,
			dataset.ManifestConfig{}, strings.ReplaceAll(want, "beach + sunset", "sunset + beach")},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.cfg.MultiLabel = true
			f, err := manifestOf(t, root, test.text, test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got := sets(f); got != test.want || !f.MultiLabel {
				t.Errorf("got\n%s, want\n%s", got, test.want)
			}
		})
	}
	for name, test := range map[string]struct {
		text    string
		several bool
		want    string
	}{
		"two labels that nobody asked for": {"image,label\na/1.png,x\na/1.png,y\nb/1.png,x\n", false,
			"unless several are asked for"},
		"a list that nobody asked for":  {`{"image":"a/1.png","label":["x"]}`, false, "have to be asked for"},
		"columns that nobody asked for": {"0\t1\t0\ta/1.png\n", false, "have to be asked for"},
		"two splits":                    {"image,label,split\na/1.png,x,train\na/1.png,y,test\nb/1.png,y,\n", true, `has split test here and train on line 2`},
		"two groups":                    {"image,label,group\na/1.png,x,g\na/1.png,y,h\nb/1.png,y,\n", true, `has group h here and g on line 2`},
		"neither yes nor no":            {"image,x,y\na/1.png,1,maybe\n", true, `column "y": got "maybe", want 1 or 0`},
		"list of numbers":               {`{"image":"a/1.png","label":[1]}`, true, "want a list of strings"},
		"half a class":                  {"0\t1\t0.5\ta/1.png\n", true, `class: got "0.5"`},
	} {
		if _, err := manifestOf(t, root, test.text, dataset.ManifestConfig{MultiLabel: test.several}); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
}

// labelled makes n items with any number of six labels, the rarest of about one picture in 50.
func labelled(root string, n int) *dataset.Folder {
	rng := rand.New(rand.NewPCG(7, 1))
	f := &dataset.Folder{Root: root, Labels: []string{"a", "b", "c", "d", "e", "f"}, MultiLabel: true}
	for i := range n {
		it := dataset.Item{Path: fmt.Sprintf("%s/%04d.jpg", root, i), Rel: fmt.Sprintf("%04d.jpg", i), Labels: []int{}}
		for l := range f.Labels {
			if rng.Float64() < 0.5/math.Pow(1.9, float64(l)) {
				it.Labels = append(it.Labels, l)
			}
		}
		if len(it.Labels) > 0 {
			it.Label = it.Labels[0]
		}
		f.Items = append(f.Items, it)
	}
	return f
}

// TestSplitMultiLabel: every label's share of each part is what was asked for, to a few
// pictures; the same wherever the root lies.
func TestSplitMultiLabel(t *testing.T) {
	f, g := labelled("r", 800), labelled("elsewhere", 800)
	f.Items[3].Group, f.Items[400].Group = "x", "x"
	g.Items[3].Group, g.Items[400].Group = "x", "x"
	first := split(t, f, dataset.SplitConfig{Validation: 0.15, Test: 0.25})
	if !same(first, split(t, g, dataset.SplitConfig{Validation: 0.15, Test: 0.25})) {
		t.Error("another root gives another split")
	}
	if f.Items[3].Split != f.Items[400].Split {
		t.Error("a group was split")
	}
	for l, n := range f.Counts() {
		all := float64(n[0] + n[1] + n[2])
		for s, share := range map[dataset.Split]float64{dataset.Train: 0.6, dataset.Validation: 0.15, dataset.Test: 0.25} {
			if d := float64(n[s]) - share*all; !(math.Abs(d) <= 2) {
				t.Errorf("label %s of %v pictures: %v in %v, want %v", f.Labels[l], all, n[s], s, share*all)
			}
		}
	}
	few := labelled("r", 40)
	split(t, few, dataset.SplitConfig{})
	for l, n := range few.Counts() {
		if all := n[0] + n[1] + n[2]; all >= 3 && (n[0] == 0 || n[1] == 0 || n[2] == 0) {
			t.Errorf("label %s of %d pictures is %v in the parts, want it in each", few.Labels[l], all, n)
		}
	}
}

func TestFoldsMultiLabel(t *testing.T) {
	f := labelled("r", 600)
	split(t, f, dataset.SplitConfig{})
	folds, err := f.Folds(5, "")
	if err != nil {
		t.Fatal(err)
	}
	var count [5][6]int
	for i, fold := range folds {
		if (fold < 0) != (f.Items[i].Split != dataset.Train) {
			t.Fatalf("item %d of %v is in fold %d", i, f.Items[i].Split, fold)
		}
		if fold >= 0 {
			for _, l := range f.Items[i].Labels {
				count[fold][l]++
			}
		}
	}
	for l := range f.Labels {
		low, high := count[0][l], count[0][l]
		for _, c := range count {
			low, high = min(low, c[l]), max(high, c[l])
		}
		if high-low > 2 {
			t.Errorf("label %s: %d to %d pictures a fold, want at most two more in one than in another", f.Labels[l], low, high)
		}
	}
}

func TestJoinAndAsMultiLabel(t *testing.T) {
	one := made("r", 2, 3)
	several := one.AsMultiLabel()
	if one.MultiLabel || !several.MultiLabel || one.Items[4].Labels != nil || several.LabelText(4) != one.Labels[1] {
		t.Fatalf("got %+v", several.Items[4])
	}
	if _, err := dataset.Join(several, one, nil); err == nil ||
		!strings.Contains(err.Error(), "several labels a picture") {
		t.Errorf("got %v", err)
	}
	joined, err := dataset.Join(several, several, nil)
	if err != nil || !joined.MultiLabel || len(joined.Items) != 12 || joined.LabelText(11) != one.Labels[1] {
		t.Errorf("got %v, %v", joined, err)
	}
}
