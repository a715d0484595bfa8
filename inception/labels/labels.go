// Package labels names the classes of ImageNet's challenge of 2012, with their WordNet synsets, in
// the three orders in which InceptionV3 classifiers have them:
//
//   - 1000 classes (torchvision, Keras, timm's gluon): sorted by synset;
//   - 1001 classes (TF-slim, timm's ports of it): "background", then the same;
//   - 1008 classes (2015's graph, pytorch-fid): the challenge's own numbers 1..1000; the rows 0 and 1001..1007 were
//     never trained.
//
// Sources: the synsets are those of tensorflow/models
// research/slim/datasets/imagenet_lsvrc_2015_synsets.txt, the names those of torchvision's models
// (where two classes share a name, the second has a word more), the challenge's numbers those of
// the label file that TensorFlow's first image classifier shipped with
// (imagenet_comp_graph_label_strings.txt), matched by name; of the two classes that it calls
// "maillot", those of imagenet_2012_challenge_label_map_proto.pbtxt, which lies beside the graph of
// 2015.
package labels

import (
	_ "embed" // the table
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed imagenet.txt
var table string // synset, number in the challenge, name

// Class is one of the 1000.
type Class struct {
	Synset string // "n01440764"
	Number int    // in the challenge, 1..1000
	Name   string // "tench"; no two classes have the same
}

// parse reads the table once; callers get copies.
var parse = sync.OnceValue(func() []Class {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	out := make([]Class, len(lines))
	for i, l := range lines {
		synset, rest, _ := strings.Cut(l, "\t")
		number, name, _ := strings.Cut(rest, "\t")
		n, err := strconv.Atoi(number)
		if err != nil {
			panic("labels: the embedded table is damaged") // the tests read all of it
		}
		out[i] = Class{synset, n, name}
	}
	return out
})

// ImageNet returns the 1000 classes in the order of their synsets, which is that of a classifier
// with 1000 rows.
func ImageNet() []Class { return append([]Class(nil), parse()...) }

// Background is the name of row 0 of a classifier with 1001 or 1008 rows.
const Background = "background"

// For returns the labels of a published classifier with 1000, 1001 or 1008 rows, nil for any other
// number.
func For(classes int) []string {
	switch classes {
	case 1000, 1001:
		out := make([]string, 0, classes)
		if classes == 1001 {
			out = append(out, Background)
		}
		for _, c := range parse() {
			out = append(out, c.Name)
		}
		return out
	case 1008:
		out := make([]string, classes)
		for _, c := range parse() {
			out[c.Number] = c.Name
		}
		out[0] = Background
		for i := 1001; i < classes; i++ {
			out[i] = fmt.Sprintf("unused %d", i)
		}
		return out
	}
	return nil
}

// Synset returns the WordNet synset of a name that ImageNet or For gave, "" when it has none.
func Synset(name string) string { return synsets()[name] }

var synsets = sync.OnceValue(func() map[string]string {
	m := make(map[string]string, 1000)
	for _, c := range parse() {
		m[c.Name] = c.Synset
	}
	return m
})

// Named returns the name of a synset, "" when it is none of the 1000.
func Named(synset string) string {
	for _, c := range parse() {
		if c.Synset == synset {
			return c.Name
		}
	}
	return ""
}
