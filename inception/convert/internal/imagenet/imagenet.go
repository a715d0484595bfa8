// Package imagenet names the classes of ImageNet's challenge of 2012, with their WordNet synsets,
// in the three orders in which InceptionV3 classifiers have them:
//
//   - 1000 classes (torchvision, Keras, timm's gluon): sorted by synset;
//   - 1001 classes (TF-slim, timm's ports of it): "background", then the same;
//   - 1008 classes (2015's graph, pytorch-fid): the challenge's own numbers 1..1000; the rows 0 and
//     1001..1007 were never trained.
//
// Sources: the synsets are those of tensorflow/models
// research/slim/datasets/imagenet_lsvrc_2015_synsets.txt, the names those of torchvision's models
// (where two classes share a name, the second has a word more), the challenge's numbers those of
// the label file that TensorFlow's first image classifier shipped with
// (imagenet_comp_graph_label_strings.txt), matched by name; of the two classes that it calls
// "maillot", those of imagenet_2012_challenge_label_map_proto.pbtxt, which lies beside the graph of
// 2015.
package imagenet

import (
	_ "embed" // the table
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed imagenet.txt
var table string // synset, number in the challenge, name

// class is one of the 1000.
type class struct {
	synset string // "n01440764"
	number int    // in the challenge, 1..1000
	name   string // "tench"; no two classes have the same
}

// classes lists them in the order of their synsets, which is that of a classifier with 1000 rows.
var classes = sync.OnceValue(func() []class {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	out := make([]class, len(lines))
	for i, l := range lines {
		synset, rest, _ := strings.Cut(l, "\t")
		number, name, _ := strings.Cut(rest, "\t")
		n, err := strconv.Atoi(number)
		if err != nil {
			panic("imagenet: the embedded table is damaged") // the tests read all of it
		}
		out[i] = class{synset, n, name}
	}
	return out
})

// background is the name of row 0 of a classifier with 1001 or 1008 rows.
const background = "background"

// Labels returns the labels of a published classifier with so many rows: 1000, 1001 or 1008; nil
// for any other number.
func Labels(rows int) []string {
	switch rows {
	case 1000, 1001:
		out := make([]string, 0, rows)
		if rows == 1001 {
			out = append(out, background)
		}
		for _, c := range classes() {
			out = append(out, c.name)
		}
		return out
	case 1008:
		out := make([]string, rows)
		for _, c := range classes() {
			out[c.number] = c.name
		}
		out[0] = background
		for i := 1001; i < rows; i++ {
			out[i] = fmt.Sprintf("unused %d", i)
		}
		return out
	}
	return nil
}

// Name returns the name of a synset, "" when it is not one of the 1000.
func Name(synset string) string {
	for _, c := range classes() {
		if c.synset == synset {
			return c.name
		}
	}
	return ""
}
