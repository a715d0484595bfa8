package train

import (
	"crypto/sha256"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// remember lists the run's pictures for the model; a picture that lies in several parts, as only
// given parts have it, counts to the first.
func (r *run) remember() *inception.PictureDigests {
	d := &inception.PictureDigests{Images: len(r.items)}
	if !d.Complete() {
		return d
	}
	taken := make(map[uint64]bool, len(r.items))
	for s, list := range []*[]uint64{dataset.Train: &d.Train, dataset.Validation: &d.Validation, dataset.Test: &d.Test} {
		for i, it := range r.items {
			if p := inception.DigestPrefix(r.sums[i]); it.Split == dataset.Split(s) && !taken[p] {
				taken[p] = true
				*list = append(*list, p)
			}
		}
		slices.Sort(*list)
	}
	return d
}

// memory tells the parts of the pictures that a model was made with.
type memory map[uint64]dataset.Split

// memoryOf is nil where the model does not remember them.
func memoryOf(d *inception.PictureDigests) memory {
	if !d.Complete() {
		return nil
	}
	m := make(memory, d.Images)
	for s, list := range [][]uint64{dataset.Train: d.Train, dataset.Validation: d.Validation, dataset.Test: d.Test} {
		for _, p := range list {
			m[p] = dataset.Split(s)
		}
	}
	return m
}

// recall gives the pictures that were in the training the parts that they had there.
func (m memory) recall(items []dataset.Item, sums [][sha256.Size]byte) {
	for i := range items {
		if s, ok := m[inception.DigestPrefix(sums[i])]; ok {
			items[i].Split = s
		}
	}
}

// strange says of each picture whether it was not in the training; nil where that cannot be told.
func (m memory) strange(sums [][sha256.Size]byte) []bool {
	if m == nil {
		return nil
	}
	out := make([]bool, len(sums))
	for i, s := range sums {
		_, known := m[inception.DigestPrefix(s)]
		out[i] = !known
	}
	return out
}
