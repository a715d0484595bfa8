package train

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image/jpeg"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/par"
)

// The thumbnails that a model keeps: pixels of the longer side, and JPEG's quality.
const (
	thumbnailSide    = 128
	thumbnailQuality = 75
)

// neighbours keeps training pictures for explanations, as many as the Config says.
func (r *run) neighbours(ctx context.Context) (*inception.Neighbours, error) {
	var training []int
	for i, it := range r.items {
		if it.Split == dataset.Train {
			training = append(training, i)
		}
	}
	kept := spread(training, func(i int) int { return r.items[i].Label }, len(r.folder.Labels), r.cfg.Neighbours)
	if len(kept) == 0 {
		return nil, nil
	}
	p := newMeter(PhaseKeep, len(kept), r.cfg.Progress, r.res.Seconds)
	features := len(r.rows[kept[0]])
	n := &inception.Neighbours{Pictures: make([]inception.TrainingPicture, len(kept)),
		Vectors: make([]float32, len(kept)*features)}
	recipe := r.weights.Recipe
	order := source.Order(kept, func(i int) source.File { return r.items[i].File() })
	err := par.Each(ctx, r.cfg.Decoders, len(kept), func(_, at int) error {
		k := order[at]
		it := r.items[kept[k]]
		if err := inception.Unit(n.Vectors[k*features:(k+1)*features], r.rows[kept[k]]); err != nil {
			return err
		}
		n.Pictures[k] = inception.TrainingPicture{Path: it.Rel, Label: r.good().LabelText(kept[k]),
			Thumbnail: thumbnail(recipe, it.File(), r.cfg.Limits)}
		return nil
	})
	p.end()
	if err != nil {
		return nil, fmt.Errorf("train: keep training pictures: %w", err)
	}
	return n, nil
}

// thumbnail is a small JPEG of the picture; nil where it cannot be made, as when the file is gone
// by now: the picture still has a name.
func thumbnail(recipe picture.Recipe, file source.File, lim picture.Limits) []byte {
	data, err := file.Read(lim)
	if err != nil {
		return nil
	}
	img, _, err := recipe.Thumbnail(data, lim, thumbnailSide)
	if err != nil {
		return nil
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: thumbnailQuality}); err != nil {
		return nil
	}
	return b.Bytes()
}

// spread chooses at most limit of the items, in their order: about as many of each label, and those
// of a label spread evenly over its items.
func spread(items []int, label func(item int) int, labels, limit int) []int {
	if len(items) <= limit {
		return items
	}
	groups := make([][]int, labels)
	for _, i := range items {
		groups[label(i)] = append(groups[label(i)], i)
	}
	// The smallest group first: what it does not need is left to the others.
	slices.SortStableFunc(groups, func(a, b []int) int { return cmp.Compare(len(a), len(b)) })
	kept := make([]int, 0, max(limit, 0))
	for g, group := range groups {
		quota := min(len(group), (limit-len(kept))/(labels-g))
		for k := range quota {
			kept = append(kept, group[(2*k+1)*len(group)/(2*quota)])
		}
	}
	slices.Sort(kept)
	return kept
}
