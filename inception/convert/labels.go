package convert

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/c236555e/rehead/inception/convert/internal/imagenet"
)

// maxLabels bounds a label file.
const (
	maxLabels     = 1 << 20
	maxLabelBytes = 64 << 20
)

// readLabels reads a file with a label a line, as retrain.py writes it: UTF-8, "\n" or "\r\n" at
// the end, no empty lines except the last.
func readLabels(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: labels: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	var out []string
	s := bufio.NewScanner(io.LimitReader(f, maxLabelBytes))
	s.Buffer(nil, 1<<16)
	empty, met := 0, map[string]int{}
	for s.Scan() {
		text := s.Text()
		if len(out) == 0 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return nil, fmt.Errorf("convert: labels %s: line %d is not UTF-8: save the file as UTF-8", path, len(out)+1)
		}
		l := strings.TrimSpace(text)
		if l == "" {
			empty++
			continue
		}
		if empty > 0 {
			return nil, fmt.Errorf("convert: labels %s: line %d is empty, want a label on each line", path, len(out)+1)
		}
		if first := met[l]; first > 0 {
			return nil, fmt.Errorf("convert: labels %s: %q is on line %d and on line %d", path, l, first, len(out)+1)
		}
		met[l] = len(out) + 1
		if out = append(out, l); len(out) > maxLabels {
			return nil, fmt.Errorf("convert: labels %s: more than %d lines", path, maxLabels)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("convert: labels %s: %w", path, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("convert: labels %s: is empty, want a label on each line", path)
	}
	return out, nil
}

// besideLabels looks for the label file that retrain.py leaves beside a graph: output_graph.pb and
// output_labels.txt. It returns "" when there is none.
func besideLabels(graph string) (string, error) {
	dir, base := filepath.Split(graph)
	var names []string
	if stem, ok := strings.CutSuffix(base, "graph.pb"); ok {
		names = append(names, stem+"labels.txt")
	}
	names = append(names, "output_labels.txt", "retrained_labels.txt", "labels.txt")
	for _, n := range names {
		p := filepath.Join(dir, n)
		st, err := os.Stat(p)
		switch {
		case err == nil && st.Mode().IsRegular():
			return p, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("convert: labels: %w", err)
		}
	}
	return "", nil
}

// withLabels gives the classifier of a retrained graph its labels.
func (src *source) withLabels(f *file, o Options) error {
	if src.headErr != nil || o.TrunkOnly {
		return nil
	}
	file := o.Labels
	if file == "" && src.retrained() {
		var err error
		if file, err = besideLabels(f.path); err != nil || file == "" {
			return err
		}
	}
	if file == "" {
		if src.labels != nil { // the file's own
			return nil
		}
		return src.published(f)
	}
	lines, err := readLabels(file)
	if err != nil {
		return err
	}
	switch n := src.outputs(); {
	case n == 0:
		return fmt.Errorf("convert: labels %s: %s has no classifier that they would belong to: leave them out to convert "+
			"its trunk", file, f.path)
	case len(lines) != n:
		return fmt.Errorf("convert: labels %s: has %d labels, but the classifier of %s has %d classes: name the "+
			"file that belongs to it", file, len(lines), f.path, n)
	}
	src.labels = lines
	return nil
}

// labelMap is the file in inception-2015-12-05.tgz that says which row of its classifier is which
// synset.
const labelMap = "imagenet_2012_challenge_label_map_proto.pbtxt"

// published gives a classifier with as many classes as the published ones the names of ImageNet's
// classes.
func (src *source) published(f *file) error {
	if src.own || src.retrained() {
		return nil
	}
	n := src.classes()
	if src.labels = imagenet.Labels(n); src.labels == nil {
		return nil
	}
	if f.from == nil || n != 1008 || f.from.texts[labelMap] == "" {
		return nil
	}
	return readLabelMap(f.from.texts[labelMap], src.labels)
}

// readLabelMap sets the labels that a text of entries { target_class: 449 target_class_string:
// "n01440764" } names.
func readLabelMap(text string, out []string) error {
	class := -1
	for i, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch key {
		case "target_class":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n >= len(out) {
				return fmt.Errorf("convert: %s: line %d: class %q, want 1..%d", labelMap, i+1, value, len(out)-1)
			}
			class = n
		case "target_class_string":
			name := imagenet.Name(value)
			if name == "" || class < 0 {
				return fmt.Errorf("convert: %s: line %d: synset %q without a class, or not one of ImageNet's 1000", labelMap, i+1,
					value)
			}
			out[class], class = name, -1
		}
	}
	return nil
}

// retrainScope is where retrain.py keeps its classifier.
const retrainScope = "final_training_ops/"

// retrained reports whether a graph's classifier is one that retrain.py made, whose labels lie in a
// file beside it.
func (src *source) retrained() bool {
	return src.head != nil && strings.HasPrefix(src.head.Name, retrainScope)
}
