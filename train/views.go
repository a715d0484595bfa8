package train

import (
	"context"
	"fmt"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
)

// embedViews gets the bottlenecks of the training pictures' views, from the cache where it has
// them: they are rows like any other there, found by what they depend on.
func (r *run) embedViews(ctx context.Context, e *embedder) error {
	type place struct{ item, k int }
	var places []place
	var list []wanted
	for i, it := range r.items {
		if it.Split != dataset.Train {
			continue
		}
		for k := range r.cfg.Views {
			places = append(places, place{i, k})
			list = append(list, wanted{it.File(), r.sums[i], r.cfg.Augment.CacheSum(r.view(i, k))})
		}
	}
	load := func(j int, data []byte, dst []float32) error {
		img, info, err := e.weights.Recipe.Decode(ctx, data, e.Limits)
		if err != nil {
			return err
		}
		return r.cfg.Augment.View(img, info.Orientation, e.weights.Recipe, r.view(places[j].item, places[j].k), dst)
	}
	got, err := e.get(ctx, PhaseViews, list, load, func(j int, err error) error {
		// the picture itself could be read
		return fmt.Errorf("train: view %d of %s: %w", places[j].k, list[j].from.Path, err)
	})
	r.res.Embedded, r.res.Cached = r.res.Embedded+got.computed, r.res.Cached+got.cached
	if err != nil {
		return err
	}
	r.views = make([][][]float32, len(r.items))
	for j, p := range places {
		r.views[p.item] = append(r.views[p.item], got.rows[j])
	}
	return nil
}

// view names view k of item i.
func (r *run) view(i, k int) picture.View {
	return picture.View{Sum: r.sums[i], Seed: r.cfg.Seed, K: k}
}
