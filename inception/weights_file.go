package inception

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception/internal/files"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/internal/strictjson"
)

// Format is the value of the metadata key "format" of a converted weight file.
const Format = "rehead-trunk/1"

// ReadWeights reads and checks a converted weight file: safetensors with the metadata "format" (see
// Format), "flavor", "width" and, optionally, "source", "recipe" and "labels" (JSON). Everything
// that is wrong with it is a *FormatError.
func ReadWeights(path string) (*Weights, error) {
	file, size, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	return DecodeWeights(path, file, size)
}

// DecodeWeights is ReadWeights for a file of size bytes that is open already; errors call it name.
func DecodeWeights(name string, r io.ReaderAt, size int64) (*Weights, error) {
	f, err := safetensors.New(name, r, size)
	if err != nil {
		return nil, err
	}
	w, err := describe(f)
	if err != nil {
		return nil, err
	}
	have := make(map[string][]int, len(f.Tensors))
	for _, t := range f.Tensors {
		have[t.Name] = t.Shape
		if t.DType != safetensors.F32 && t.DType != safetensors.F16 {
			return nil, &FormatError{File: f.Name, Tensor: t.Name, Offset: t.Offset,
				Reason: fmt.Sprintf("got dtype %s, want F32 or F16: convert the file again", t.DType)}
		}
	}
	list, classes, err := require(w.Width, have, func(name, format string, args ...any) error {
		offset := int64(-1)
		if t, ok := f.Lookup(name); ok {
			offset = t.Offset
		}
		return &FormatError{File: f.Name, Tensor: name, Offset: offset, Reason: fmt.Sprintf(format, args...)}
	})
	if err != nil {
		return nil, err
	}
	w.Classes = classes
	if w.Labels != nil && len(w.Labels) != classes {
		return nil, &FormatError{File: f.Name, Offset: -1,
			Reason: fmt.Sprintf("metadata: got %d labels, want one for each of the %d classes", len(w.Labels), classes)}
	}
	total := 0
	for _, s := range list {
		total += s.elements()
	}
	room := make([]float32, total) // at most twice the file, whose tensors have been counted
	w.Tensors = make(map[string]Tensor, len(list))
	for _, s := range list {
		n := s.elements()
		w.Tensors[s.name] = Tensor{Shape: s.shape, Data: room[:n:n]}
		room = room[n:]
	}
	sums := make([][sha256.Size]byte, len(list))
	err = par.Each(context.Background(), 0, len(list), func(_, i int) error {
		info, _ := f.Lookup(list[i].name)
		h := sha256.New()
		if err := f.Float32(info, w.Tensors[info.Name].Data, h); err != nil {
			return err
		}
		h.Sum(sums[i][:0])
		return nil
	})
	if err != nil {
		return nil, err
	}
	w.Digest = digest(w.Flavor, list, sums)
	return w, nil
}

// describe reads a weight file's metadata.
func describe(f *safetensors.File) (*Weights, error) {
	bad := func(format string, args ...any) error {
		return &FormatError{File: f.Name, Offset: -1, Reason: "metadata: " + fmt.Sprintf(format, args...)}
	}
	w := &Weights{}
	meta := maps.Clone(f.Metadata)
	take := func(key string) string {
		v := meta[key]
		delete(meta, key)
		return v
	}
	if got := take("format"); got != Format {
		return nil, bad("format is %q, want %q: convert the file with `rehead weights convert`", got, Format)
	}
	flavor, err := ParseFlavor(take("flavor"))
	if err != nil {
		return nil, bad("%v", err)
	}
	w.Flavor, w.Recipe = flavor, flavor.Recipe()
	text := take("width")
	w.Width, err = strconv.ParseFloat(text, 64)
	if err == nil {
		err = checkWidth(w.Width)
	}
	if err != nil {
		return nil, bad("width %q: %v", text, err)
	}
	w.Source = take("source")
	if text, ok := meta["recipe"]; ok {
		delete(meta, "recipe")
		w.Recipe = picture.Recipe{}
		if err := strictjson.Unmarshal([]byte(text), &w.Recipe); err != nil {
			return nil, bad("recipe: %v", err)
		}
	}
	if err := checkRecipe(w.Recipe); err != nil {
		return nil, bad("recipe: %v", err)
	}
	if text, ok := meta["labels"]; ok {
		delete(meta, "labels")
		if err := strictjson.Unmarshal([]byte(text), &w.Labels); err != nil {
			return nil, bad("labels: %v", err)
		}
	}
	if len(meta) > 0 {
		w.Notes = meta
	}
	return w, nil
}

// checkRecipe checks a recipe for use in front of this network.
func checkRecipe(r picture.Recipe) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Size < MinSize || r.Size > maxSize {
		return fmt.Errorf("inception: recipe: size is %d, want %d to %d pixels", r.Size, MinSize, maxSize)
	}
	return nil
}

// Write writes the weights to path, whole or not at all, as "f32" (also "") or "f16". Equal weights
// give equal bytes. As "f16", a value that float16 cannot hold is an error, and what is read back
// has another Digest.
func (w *Weights) Write(path string, dtype string) error {
	if err := atomicfile.Write(path, func(out io.Writer) error { return w.encode(out, dtype, true) }); err != nil {
		return fmt.Errorf("inception: %w", err)
	}
	return nil
}

// encode writes the weights, with or without their classifier.
func (w *Weights) encode(out io.Writer, dtype string, classifier bool) error {
	stored, err := parseDType(dtype)
	if err != nil {
		return err
	}
	if w.Head != nil && classifier {
		return errors.New("inception: write weights: these have a head, which only a model folder holds: save the model " +
			"that ModelFromWeights makes of them")
	}
	if w.Reads != nil && classifier {
		return fmt.Errorf("inception: write weights: the network ends in the %v, and a weight file of rehead's in the "+
			"last block's mean: write its trunk alone", w.Reads)
	}
	meta := maps.Clone(w.Notes)
	if meta == nil {
		meta = map[string]string{}
	}
	meta["format"], meta["flavor"] = Format, string(w.Flavor)
	meta["width"] = strconv.FormatFloat(w.Width, 'g', -1, 64)
	if w.Source != "" {
		meta["source"] = w.Source
	}
	if w.Recipe != w.Flavor.Recipe() {
		text, err := json.Marshal(w.Recipe)
		if err != nil {
			return fmt.Errorf("inception: write weights: recipe: %w", err)
		}
		meta["recipe"] = string(text)
	}
	if classifier && w.Labels != nil {
		text, err := json.Marshal(w.Labels)
		if err != nil {
			return fmt.Errorf("inception: write weights: labels: %w", err)
		}
		meta["labels"] = string(text)
	}
	tensors := make([]safetensors.Tensor, 0, len(w.Tensors))
	for name, t := range w.Tensors {
		if !classifier && (name == "fc.weight" || name == "fc.bias") {
			continue
		}
		tensors = append(tensors, safetensors.Tensor{Name: name, DType: stored, Shape: t.Shape, Values: t.Data})
	}
	return safetensors.Write(out, meta, tensors)
}

func parseDType(s string) (safetensors.DType, error) {
	switch s {
	case "", "f32":
		return safetensors.F32, nil
	case "f16":
		return safetensors.F16, nil
	}
	return "", fmt.Errorf("inception: data type %q is unknown: use f32 or f16", s)
}
