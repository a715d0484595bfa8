package dataset_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/source"
)

// manifestOf writes text beside the pictures of root and reads it.
func manifestOf(t testing.TB, root, text string, cfg dataset.ManifestConfig) (*dataset.Folder, error) {
	t.Helper()
	path := filepath.Join(root, "list.txt")
	picturetest.Write(t, path, []byte(text))
	return dataset.ReadManifest(path, cfg)
}

func TestReadManifest(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png", "b/ü 2.png")
	abs := filepath.ToSlash(filepath.Join(root, "b", "1.png"))
	for _, test := range []struct {
		name, text string
		cfg        dataset.ManifestConfig
		labels     string // joined by |
		items      string // rel:label:split+fixed:group:weight, joined by |
	}{
		{"csv", "image,label,split,group,weight\na/1.png,cat,train,g1,2\na/2.png, dog ,,,\r\n\nb/1.png,\"cat\",TEST,g1,0.5\n",
			dataset.ManifestConfig{},
			"cat|dog", "a/1.png:cat:train!:g1:2|a/2.png:dog:train::0|b/1.png:cat:test!:g1:0.5"},
		{"semicolons, other order, mark", "\xef\xbb\xbfLabel;Path\ncat;a/1.png\ndog;b/ü 2.png", dataset.ManifestConfig{},
			"cat|dog", "a/1.png:cat:train::0|b/ü 2.png:dog:train::0"},
		{"tabs", "path\tlabel\na/1.png\tcat, small\nb/1.png\tdog\n", dataset.ManifestConfig{},
			"cat, small|dog", "a/1.png:cat, small:train::0|b/1.png:dog:train::0"},
		{"absolute", "path,label\n" + abs + ",x\na/../a/1.png,y\n", dataset.ManifestConfig{},
			"x|y", "a/1.png:y:train::0|b/1.png:x:train::0"},
		{"jsonl", `{"image":"a/1.png","label":"cat","weight":2.5}` + "\n\n" + `{"label":"dog","path":"b/1.png","split":"validation","group":null}` + "\n", dataset.ManifestConfig{},
			"cat|dog", "a/1.png:cat:train::2.5|b/1.png:dog:validation!::0"},
		{"lst", "0\t10\ta/1.png\n1\t2.000000\ta/2.png\n2\t10\tb/1.png\n", dataset.ManifestConfig{},
			"2|10", "a/1.png:10:train::0|a/2.png:2:train::0|b/1.png:10:train::0"},
		{"lst with names", "0\t1\ta/1.png\n1\t0\ta/2.png\n", dataset.ManifestConfig{Classes: []string{"zebra", "ant"}},
			"zebra|ant", "a/1.png:ant:train::0|a/2.png:zebra:train::0"},
		{"augmented", `{"source-ref":"s3://bucket/f/a/1.png","class":1}` + "\n" + `{"source-ref":"s3://bucket/f/b/1.png","class":"0"}`, dataset.ManifestConfig{StripPrefix: "s3://bucket/f"},
			"0|1", "a/1.png:1:train::0|b/1.png:0:train::0"},
		{"ground truth", `{"source-ref":"a/1.png","job":1,"job-metadata":{"class-name":"cat","confidence":0.9}}` + "\n" +
			`{"source-ref":"b/1.png","job":0,"job-metadata":{"class-name":"dog"},"other-metadata":{}}`, dataset.ManifestConfig{},
			"dog|cat", "a/1.png:cat:train::0|b/1.png:dog:train::0"},
		{"attribute", `{"source-ref":"a/1.png","x":9,"y":1}` + "\n" + `{"source-ref":"b/1.png","y":0,"x":9}`, dataset.ManifestConfig{Attribute: "y"},
			"0|1", "a/1.png:1:train::0|b/1.png:0:train::0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := manifestOf(t, root, test.text, test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(f.Labels, "|"); got != test.labels {
				t.Errorf("labels: got %q, want %q", got, test.labels)
			}
			var items []string
			for _, it := range f.Items {
				mark := ""
				if it.Fixed {
					mark = "!"
				}
				items = append(items, fmt.Sprintf("%s:%s:%v%s:%s:%v", it.Rel, f.Labels[it.Label], it.Split, mark, it.Group,
					it.Weight))
				if _, err := os.Stat(it.Path); err != nil {
					t.Error(err)
				}
			}
			if got := strings.Join(items, "|"); got != test.items {
				t.Errorf("items: got\n%s, want\n%s", got, test.items)
			}
			if len(f.Problems) != 0 {
				t.Errorf("problems: %q", f.Problems)
			}
		})
	}
}

// coco is a COCO file of two pictures.
func coco(annotations string) string {
	return `{"info": {"year": 2026}, "images": [{"id": 7, "file_name": "a/1.png", "width": 3}, {"id": 8, "file_name": "b/1.png"}],
 "annotations": [` + annotations + `], "other": [[1], {"x": 2}],
 "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog", "supercategory": "x"}]}`
}

// TestReadManifestKinds reads the lists that other tools and sites give, each of three pictures.
func TestReadManifestKinds(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png", "a/b c.png")
	for _, test := range []struct {
		name, text string
		cfg        dataset.ManifestConfig
		items      string // rel:label, joined by |
		note       string
	}{
		{"further columns", "image,label,width,Height\na/1.png,cat,9,9\nb/1.png,dog,9,9\n", dataset.ManifestConfig{},
			"a/1.png:cat|b/1.png:dog", `ignored the columns "width", "height"`},
		{"pandas' index", ",image,label\n0,a/1.png,cat\n1,b/1.png,dog\n", dataset.ManifestConfig{},
			"a/1.png:cat|b/1.png:dog", ""},
		{"Keras", "filename,class\na/1.png,cat\nb/1.png,dog\n", dataset.ManifestConfig{}, "a/1.png:cat|b/1.png:dog", ""},
		{"Hugging Face", "file_name,label\na/1.png,cat\nb/1.png,dog\n", dataset.ManifestConfig{},
			"a/1.png:cat|b/1.png:dog", ""},
		{"Kaggle", "id,label\na/1,cat\nb/1,dog\n", dataset.ManifestConfig{}, "a/1.png:cat|b/1.png:dog", ""},
		{"an id beside a name", "id,file_name,label\n7,a/1.png,cat\n8,b/1.png,dog\n", dataset.ManifestConfig{},
			"a/1.png:cat|b/1.png:dog", `"id"`},
		{"no header", "a/1.png,cat\nb/1.png,dog\n", dataset.ManifestConfig{}, "a/1.png:cat|b/1.png:dog", "first line"},
		{"no header, label first", "cat;a/1.png\ndog;b/1.png\n", dataset.ManifestConfig{}, "a/1.png:cat|b/1.png:dog", ""},
		{"path and label", "a/1.png cat\na/b c.png dog\n", dataset.ManifestConfig{}, "a/1.png:cat|a/b c.png:dog", ""},
		{"path and number", "a/1.png 1\nb/1.png 0\n", dataset.ManifestConfig{Classes: []string{"cat", "dog"}},
			"a/1.png:dog|b/1.png:cat", ""},
		{"numbers with names in CSV", "image,label\na/1.png,1\nb/1.png,0\n",
			dataset.ManifestConfig{Classes: []string{"cat", "dog"}}, "a/1.png:dog|b/1.png:cat", ""},
		{"Windows", "image,label\na\\1.png,cat\n.\\b\\1.png,dog\n", dataset.ManifestConfig{}, "a/1.png:cat|b/1.png:dog", ""},
		{"JSON array", `[{"image":"a/1.png","label":"cat"},` + "\n" + ` {"image":"b/1.png","label":"dog"}]`,
			dataset.ManifestConfig{}, "a/1.png:cat|b/1.png:dog", ""},
		{"JSON numbers", `{"file_name":"a/1.png","label":10}` + "\n" + `{"label":2,"file_name":"b/1.png","text":"x"}`,
			dataset.ManifestConfig{}, "a/1.png:10|b/1.png:2", `"text"`},
		{"named columns", "a,b,label\na/1.png,cat,x\nb/1.png,dog,y\n",
			dataset.ManifestConfig{Columns: dataset.Columns{Image: "a", Label: "B"}}, "a/1.png:cat|b/1.png:dog", `"label"`},
		{"columns of 0 and 1", "image,cat,dog\na/1.png,1,0\nb/1.png,0,1\n", dataset.ManifestConfig{},
			"a/1.png:cat|b/1.png:dog", "2 columns of 0 and 1"},
		{"columns of 1.0, as ISIC has them", ",image,MEL,NV\n0,a/1,1.0,0.0\n1,b/1,0.0,1.0\n", dataset.ManifestConfig{},
			"a/1.png:MEL|b/1.png:NV", ""},
		{"columns of pandas' get_dummies", "image,cat,dog\na/1.png,True,False\nb/1.png,False,True\n", dataset.ManifestConfig{},
			"a/1.png:cat|b/1.png:dog", ""},
		{"boxes, as Kaggle's ImageNet has them", "ImageId,PredictionString\na/1,n1 8 1 9 2 n1 0 0 1 1 \nb/1,n2 1 1 2 2 \n",
			dataset.ManifestConfig{}, "a/1.png:n1|b/1.png:n2", ""},
		{"boxes, as Tiny ImageNet has them", "1.png\tcat\t0\t0\t9\t9\n2.png\tdog\t1\t1\t9\t9\n",
			dataset.ManifestConfig{Root: filepath.Join(root, "a")}, "1.png:cat|2.png:dog", "first line"},
		{"ImageNet's val.txt", "a/1.png 65\nb/1.png 970\n", dataset.ManifestConfig{}, "a/1.png:65|b/1.png:970", ""},
		{"FiftyOne", `{"classes": ["cat", "dog"], "labels": {"a/1": 0, "b/1": 1}}`, dataset.ManifestConfig{},
			"a/1.png:cat|b/1.png:dog", ""},
		{"FiftyOne, names", `{"classes": null, "labels": {"a/1": "cat", "b/1": {"label": "dog", "confidence": 1}}}`,
			dataset.ManifestConfig{}, "a/1.png:cat|b/1.png:dog", ""},
		{"FiftyOne, several labels", `{"classes": ["cat", "dog"], "labels": {"a/1": [0, 1], "b/1": []}}`,
			dataset.ManifestConfig{MultiLabel: true}, "a/1.png:cat + dog|b/1.png:none of the labels", ""},
		{"COCO", coco(`{"image_id": 7, "category_id": 3}, {"image_id": 8, "category_id": 1}`), dataset.ManifestConfig{},
			"a/1.png:dog|b/1.png:cat", ""},
		{"COCO, several labels", coco(`{"image_id": 7, "category_id": 3}, {"image_id": 7, "category_id": 1}`),
			dataset.ManifestConfig{MultiLabel: true}, "a/1.png:cat + dog|b/1.png:none of the labels", ""},
		{"several labels and an index", "Unnamed: 0,image,cat,dog\n0,a/1.png,1,0\n1,b/1.png,0,1\n",
			dataset.ManifestConfig{MultiLabel: true}, "a/1.png:cat|b/1.png:dog", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := manifestOf(t, root, test.text, test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			var items []string
			for i, it := range f.Items {
				items = append(items, it.Rel+":"+f.LabelText(i))
			}
			if got := strings.Join(items, "|"); got != test.items || len(f.Problems) != 0 {
				t.Errorf("got %s, want %s; problems %q", got, test.items, f.Problems)
			}
			if got := strings.Join(f.Notes, "; "); !strings.Contains(got, test.note) {
				t.Errorf("got notes %q, want one that says %q", got, test.note)
			}
		})
	}
	f, err := manifestOf(t, root, `{"source-ref":"a/2.png","j-metadata":{"failure-reason":"ClientError: no"}}`+"\n"+
		`{"source-ref":"a/1.png","j":0,"j-metadata":{"class-name":"cat"}}`+"\n"+
		`{"source-ref":"b/1.png","j":1,"j-metadata":{"class-name":"dog"}}`, dataset.ManifestConfig{})
	if err != nil || len(f.Items) != 2 || len(f.Problems) != 1 ||
		!strings.Contains(f.Problems[0].Reason, "could not be labelled (line 1): ClientError: no") {
		t.Errorf("a failed line: got %+v, %v", f, err)
	}
}

func TestReadManifestRefuses(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png")
	long := strings.Repeat("x", 2<<20)
	for _, test := range []struct {
		name, text string
		cfg        dataset.ManifestConfig
		want       []string
	}{
		{"empty", " \n\n", dataset.ManifestConfig{}, []string{"empty"}},
		{"binary", "\x89PNG\r\n\x1a\n\x00", dataset.ManifestConfig{}, []string{"UTF-8"}},
		{"unknown column", "image,lable\na/1.png,x\n", dataset.ManifestConfig{}, []string{`"lable"`, `did you mean "label"?`}},
		{"unknown key", `{"image":"a/1.png","labels":"x"}`, dataset.ManifestConfig{}, []string{"line 1", `"labels"`, `"label"`}},
		{"no header", "a/1.png,x,y\n", dataset.ManifestConfig{}, []string{"header", `"a/1.png"`}},
		{"no label column", "image,split\n", dataset.ManifestConfig{}, []string{`no column "label"`}},
		{"column twice", "image,label,path\n", dataset.ManifestConfig{}, []string{`"image" and "path"`}},
		{"names mean the same", "file_name,filename,label\n", dataset.ManifestConfig{}, []string{"--image-column"}},
		{"no such column", "image,label\n", dataset.ManifestConfig{Columns: dataset.Columns{Label: "lable"}},
			[]string{`no column "lable"`, `did you mean "label"?`}},
		{"no 1 among columns of 0", "image,cat,dog\na/1.png,1,0\nb/1.png,0,0\n", dataset.ManifestConfig{},
			[]string{"line 3", "0 labels", "--multi-label"}},
		{"two 1 among columns of 0", "image,cat,dog\na/1.png,1,0\nb/1.png,1,1\n", dataset.ManifestConfig{},
			[]string{"line 3", "2 labels (cat, dog)", "--multi-label"}},
		{"numbers in further columns", "image,width,height\na/1.png,3,2\n", dataset.ManifestConfig{},
			[]string{`no column "label"`}},
		{"COCO: several objects", coco(`{"image_id": 7, "category_id": 3}, {"image_id": 7, "category_id": 1}`),
			dataset.ManifestConfig{}, []string{"1 of 2 pictures", `"a/1.png" (dog, cat)`, "--multi-label"}},
		{"COCO: no such category", coco(`{"image_id": 7, "category_id": 9}`), dataset.ManifestConfig{},
			[]string{`"a/1.png"`, "category 9"}},
		{"COCO without an end", coco("")[:80], dataset.ManifestConfig{}, []string{"EOF"}},
		{"FiftyOne: several labels", `{"classes": [], "labels": {"a/1": ["x", "y"]}}`, dataset.ManifestConfig{},
			[]string{`"a/1"`, "--multi-label"}},
		{"FiftyOne: no such class", `{"classes": ["x"], "labels": {"a/1": 1}}`, dataset.ManifestConfig{}, []string{`"a/1"`, "0..0"}},
		{"Parquet", "PAR1\x15\x04", dataset.ManifestConfig{}, []string{"Parquet", "to_csv"}},
		{"ImageNet's ground truth", "490\n361\n", dataset.ManifestConfig{}, []string{"number alone", "paste"}},
		{"boxes of two classes", "ImageId,PredictionString\na/1,n1 8 1 9 2 n2 0 0 1 1 \n", dataset.ManifestConfig{},
			[]string{"line 2", `"n1" and "n2"`}},
		{"array of text", `["a"]`, dataset.ManifestConfig{}, []string{"entry 1", "object"}},
		{"array without end", `[{"image":"a/1.png","label":"x"}`, dataset.ManifestConfig{}, []string{"array"}},
		{"short record", "image,label\na/1.png\n", dataset.ManifestConfig{}, []string{"line 2", "fields"}},
		{"quotation mark", "image,label\n\"a/1.png,x\n" + long, dataset.ManifestConfig{}, []string{"quotation mark"}},
		{"bad split", "image,label,split\na/1.png,x,tets\n", dataset.ManifestConfig{}, []string{"line 2", `"tets"`, `did you mean "test"?`}},
		{"weight 0", "image,label,weight\na/1.png,x,0\n", dataset.ManifestConfig{}, []string{"weight", `"0"`}},
		{"weight NaN", "image,label,weight\na/1.png,x,NaN\n", dataset.ManifestConfig{}, []string{"weight"}},
		{"two labels", "image,label\na/1.png,x\na/2.png,y\na/./1.png,y\n", dataset.ManifestConfig{}, []string{"line 4", "line 2", `"x"`, `"y"`}},
		{"no label", "image,label\na/1.png,\n", dataset.ManifestConfig{}, []string{"line 2", "label"}},
		{"control", "image,label\na/1.png,x\x01\n", dataset.ManifestConfig{}, []string{"control"}},
		{"not UTF-8", "image,label\na/1.png,x\xff\n", dataset.ManifestConfig{}, []string{"line 2", "UTF-8"}},
		{"address", "image,label\nhttps://host/a.png,x\n", dataset.ManifestConfig{},
			[]string{"https://host/a.png", "prefix"}},
		{"other prefix", "image,label\ns3://b/a.png,x\n", dataset.ManifestConfig{StripPrefix: "s3://c/"},
			[]string{"s3://c/"}},
		{"one label", "image,label\na/1.png,x\nb/9.png,y\n", dataset.ManifestConfig{}, []string{"1 labels", "b/9.png"}},
		{"key twice", `{"image":"a/1.png","image":"a/2.png","label":"x"}`, dataset.ManifestConfig{}, []string{"twice"}},
		{"two objects", `{"image":"a/1.png","label":"x"} {}`, dataset.ManifestConfig{}, []string{"more than one"}},
		{"truth as label", `{"image":"a/1.png","label":true}`, dataset.ManifestConfig{}, []string{"label", "string"}},
		{"torn JSON", `{"image":"a/1.png","label":"x"`, dataset.ManifestConfig{}, []string{"line 1", "JSON"}},
		{"long line", `{"image":"` + long + `"}`, dataset.ManifestConfig{Format: dataset.JSONL}, []string{"line 1", "longer"}},
		{"lst: several labels", "0\t1\ta/1.png\n0\t1\t2\ta/2.png\n", dataset.ManifestConfig{},
			[]string{"line 2", "4 fields"}},
		{"lst: class", "0\t1\ta/1.png\n0\t-1\ta/2.png\n", dataset.ManifestConfig{}, []string{"line 2", "class"}},
		{"lst: no such name", "0\t2\ta/1.png\n", dataset.ManifestConfig{Classes: []string{"a", "b"}},
			[]string{"line 1", "0..1"}},
		{"two names", `{"source-ref":"a/1.png","j":1,"j-metadata":{"class-name":"x"}}` + "\n" + `{"source-ref":"a/2.png","j":1,"j-metadata":{"class-name":"y"}}`, dataset.ManifestConfig{}, []string{"line 2", "class 1"}},
		{"two attributes", `{"source-ref":"a/1.png","j":1,"k":1}`, dataset.ManifestConfig{}, []string{`"j" and "k"`}},
		{"no attribute", `{"source-ref":"a/1.png"}`, dataset.ManifestConfig{}, []string{"no class"}},
		{"rows", "image,label\na/1.png,x\na/2.png,y\nb/1.png,y\n", dataset.ManifestConfig{MaxRows: 2},
			[]string{"more than 2"}},
		{"format", "image,label\n", dataset.ManifestConfig{Format: "xml"}, []string{`"xml"`}},
	} {
		_, err := manifestOf(t, root, test.text, test.cfg)
		if err == nil {
			t.Errorf("%s: accepted", test.name)
			continue
		}
		for _, want := range append(test.want, "list.txt") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want one that says %q", test.name, err, want)
			}
		}
	}
	if _, err := dataset.ReadManifest(root, dataset.ManifestConfig{}); err == nil {
		t.Error("a folder accepted as manifest")
	}
}

func TestReadManifestProblems(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png")
	picturetest.Write(t, filepath.Join(root, "words.jpg"), []byte("words"))
	f, err := manifestOf(t, root, "image,label\na/1.png,x\na/2.png,y\nmissing.png,y\nwords.jpg,z\na/1.png,x\nb,x\n",
		dataset.ManifestConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Items) != 2 || strings.Join(f.Labels, "") != "xy" || len(f.Problems) != 5 {
		t.Errorf("got %+v", f)
	}
	for _, want := range []string{"line 4", "line 5", "repeats line 2", "folder", `label "z"`} {
		if !slices.ContainsFunc(f.Problems, func(p source.Problem) bool { return strings.Contains(p.Reason, want) }) {
			t.Errorf("no problem says %q: %q", want, f.Problems)
		}
	}
}

// TestManifestSplitsAsFolder: a list of the folder's own files is split as the folder is.
func TestManifestSplitsAsFolder(t *testing.T) {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("x/%d.png", i), fmt.Sprintf("y/sub/%d.png", i))
	}
	root := picturetest.Tree(t, names...)
	f, err := dataset.Scan(root, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	want := split(t, f, dataset.SplitConfig{})
	var text strings.Builder
	for _, it := range f.Items {
		line, err := json.Marshal(map[string]string{"image": it.Rel, "label": f.Labels[it.Label]})
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	m, err := manifestOf(t, root, text.String(), dataset.ManifestConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if got := split(t, m, dataset.SplitConfig{}); !same(got, want) {
		t.Error("the manifest is split otherwise than the folder")
	}
	// Pictures of one name in folders that are not labels are not a group.
	m, err = manifestOf(t, root, strings.NewReplacer(`"label":"x"`, `"label":"q"`, `"label":"y"`, `"label":"r"`).Replace(text.String()), dataset.ManifestConfig{})
	if err != nil {
		t.Fatal(err)
	}
	folds, err := m.Folds(4, "")
	if err != nil {
		t.Fatal(err)
	}
	for fold := range 4 {
		if n := countOf(folds, fold); n != 20 {
			t.Errorf("fold %d has %d pictures", fold, n)
		}
	}
}

func countOf(values []int, v int) (n int) {
	for _, x := range values {
		if x == v {
			n++
		}
	}
	return n
}

func TestReadClasses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "classes.txt")
	picturetest.Write(t, path, []byte("\xef\xbb\xbfzebra\r\nant\r\n\r\n"))
	if got, err := dataset.ReadClasses(path); err != nil || !slices.Equal(got, []string{"zebra", "ant"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", "a\n\nb", "a\nb\na", "\xff"} {
		picturetest.Write(t, path, []byte(bad))
		if got, err := dataset.ReadClasses(path); err == nil {
			t.Errorf("%q accepted as %q", bad, got)
		}
	}
}

func TestJoin(t *testing.T) {
	scan := func(names ...string) *dataset.Folder {
		t.Helper()
		f, err := dataset.Scan(picturetest.Tree(t, names...), dataset.ScanConfig{MinLabels: 1})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	train := scan("a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png", "b/3.png")
	test := scan("b/1.png", "b/9.png")
	f, err := dataset.Join(train, nil, test)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Split(dataset.SplitConfig{Validation: 0.2, Test: -1}); err != nil {
		t.Fatal(err)
	}
	if len(f.Items) != 8 || f.Items[6].Rel != "test/b/1.png" || f.Items[6].Split != dataset.Test ||
		f.Labels[f.Items[6].Label] != "b" {
		t.Errorf("got %+v", f.Items)
	}
	if c := f.Counts(); c != nil && (c[0] != [3]int{2, 1, 0} || c[1] != [3]int{2, 1, 2}) {
		t.Errorf("got %v", c)
	}
	if err := f.Split(dataset.SplitConfig{Legacy: true}); err != nil || f.Items[7].Split != dataset.Test {
		t.Errorf("the legacy split moves what was given: %v, %v", f.Items[7], err)
	}
	if _, err := dataset.Join(train, scan("aa/1.png"), nil); err == nil || !strings.Contains(err.Error(), `"aa"`) || !strings.Contains(err.Error(), `did you mean "a"?`) {
		t.Errorf("an unknown label: %v", err)
	}
	if _, err := dataset.Join(nil, test, nil); err == nil {
		t.Error("nothing to train on accepted")
	}
}

func FuzzClasses(f *testing.F) {
	for _, text := range []string{"a\nb\n", "\xef\xbb\xbfa\r\n", "", "a\n\nb", "\xff"} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "classes")
	f.Fuzz(func(t *testing.T, data []byte) {
		picturetest.Write(t, path, data)
		names, err := dataset.ReadClasses(path)
		if err == nil && (len(names) == 0 || slices.Contains(names, "")) {
			t.Fatalf("got %q", names)
		}
	})
}

func FuzzManifest(f *testing.F) {
	for _, text := range []string{
		"image,label,split,group,weight\na.png,x,train,g,1\nb.png,y,,,\n",
		"path;label\na.png;\"x\ny\"\n", "{\"image\":\"a.png\",\"label\":\"x\",\"weight\":1e3}\n{}",
		"0\t1\ta.png\n1\t0.000\tb.png\n", `{"source-ref":"s3://b/a.png","j":"1","j-metadata":{"class-name":"x"}}`, "\xef\xbb\xbf", "\"", "{\"a\":[[[[",
		"[{\"image\":\"a.png\",\"label\":3},{\"id\":1,\"class\":\"x\"}]", "a.png x\nb.png 3\n", "a.png,x\nb,y\n",
		",id,class\n0,a,1\n", "image,x,y\na,1,0\nb,0,1\n", "ImageId,PredictionString\na,n1 8 1 9 2 n1 0 0 1 1\n",
		`{"classes":["x"],"labels":{"a":0,"b":{"label":[null]},"c":[1]}}`, coco(`{"image_id":7,"category_id":3}`),
	} {
		f.Add([]byte(text), "", false)
	}
	dir := f.TempDir()
	picturetest.Write(f, filepath.Join(dir, "a.png"), picturetest.Encode(f, "png", picturetest.Noise(2, 2, 1)))
	picturetest.Write(f, filepath.Join(dir, "b.png"), picturetest.Encode(f, "png", picturetest.Noise(2, 2, 2)))
	path := filepath.Join(dir, "list")
	f.Fuzz(func(t *testing.T, data []byte, format string, names bool) {
		cfg := dataset.ManifestConfig{Format: format, MinLabels: 1, MaxRows: 100, Root: dir}
		if names {
			cfg.Classes = []string{"p", "q"}
		}
		picturetest.Write(t, path, data)
		m, err := dataset.ReadManifest(path, cfg)
		if err != nil {
			if m != nil || !strings.Contains(err.Error(), "list") {
				t.Fatalf("got %v with %v", m, err)
			}
			return
		}
		if len(m.Items) == 0 || len(m.Labels) == 0 {
			t.Fatalf("nothing accepted: %+v", m)
		}
		for _, it := range m.Items {
			if it.Label < 0 || it.Label >= len(m.Labels) || it.Weight < 0 || it.Rel == "" || m.Labels[it.Label] == "" {
				t.Fatalf("got %+v", it)
			}
		}
		if err := m.Split(dataset.SplitConfig{}); err != nil && !strings.Contains(err.Error(), "group") {
			t.Fatal(err)
		}
	})
}

// TestManifestInWorkingFolder: paths of a list that is named without its folder have none either.
func TestManifestInWorkingFolder(t *testing.T) {
	root := picturetest.Tree(t, "a/1.png", "a/2.png", "b/1.png", "data/x.png")
	picturetest.Write(t, filepath.Join(root, "list.csv"), []byte("image,label\na/1.png,x\n./a/2.png,x\na/../b/1.png,y\nb/1.png,y\n"))
	t.Chdir(root)
	f, err := dataset.ReadManifest("list.csv", dataset.ManifestConfig{})
	if err != nil || len(f.Items) != 3 || len(f.Problems) != 1 || f.Items[2].Path != filepath.FromSlash("b/1.png") || f.Items[2].Rel != "b/1.png" {
		t.Errorf("got %+v, %v", f, err)
	}
}
