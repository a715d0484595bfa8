package train

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
)

// embedViews gets the bottlenecks of the training pictures' views, from the cache where it has
// them: they are rows like any other there, found by what they depend on.
func (r *run) embedViews(ctx context.Context, e *embedder) (err error) {
	store, err := e.open()
	if err != nil {
		return err
	}
	defer func() {
		if cerr := store.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("train: cache: %w", cerr)
		}
	}()
	type place struct{ item, k int }
	r.views = make([][][]float32, len(r.items))
	var missing []place
	waiting := map[[sha256.Size]byte][]place{} // for the same view: of pictures with the same bytes
	for i, it := range r.items {
		if it.Split != dataset.Train {
			continue
		}
		r.views[i] = make([][]float32, r.cfg.Views)
		for k := range r.views[i] {
			sum := r.cfg.Augment.CacheSum(r.view(i, k))
			if row, ok := store.Get(sum); ok {
				r.views[i][k] = row
				r.res.Cached++
				continue
			}
			if waiting[sum] == nil {
				missing = append(missing, place{i, k})
			}
			waiting[sum] = append(waiting[sum], place{i, k})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	p := e.start(PhaseViews, len(missing))
	trunk, err := inception.NewTrunk(e.weights, e.nn)
	if err != nil {
		return fmt.Errorf("train: views: %w", err)
	}
	cfg := e.embed
	cfg.Load = func(j int, data []byte, dst []float32) error {
		img, info, err := e.recipe.Decode(ctx, data, e.embed.Limits)
		if err != nil {
			return err
		}
		return r.cfg.Augment.View(img, info.Orientation, e.recipe, r.view(missing[j].item, missing[j].k), dst)
	}
	read := func(j int) ([]byte, error) {
		i := missing[j].item
		data, err := source.Read(r.items[i].Path, e.embed.Limits)
		if err == nil && sha256.Sum256(data) != r.res.evidence.sums[i] {
			err = errChanged
		}
		return data, err
	}
	done := 0
	emit := func(j int, vec []float32, err error) error {
		m := missing[j]
		if err != nil { // the picture itself could be read
			return fmt.Errorf("train: view %d of %s: %w", m.k, r.items[m.item].Path, err)
		}
		p.step(false)
		done++
		sum, row := r.cfg.Augment.CacheSum(r.view(m.item, m.k)), append([]float32(nil), vec...)
		for _, w := range waiting[sum] {
			r.views[w.item][w.k] = row
		}
		if err := store.Put(sum, vec); err != nil {
			return fmt.Errorf("train: cache: %w", err)
		}
		return nil
	}
	err = trunk.EmbedAll(ctx, len(missing), read, emit, cfg)
	if cerr := trunk.Close(); err == nil {
		err = cerr
	}
	r.res.Embedded += done
	if ctx.Err() != nil {
		return fmt.Errorf("train: views: stopped after %d of %d%s: %w", done, len(missing), e.kept(), context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	p.end()
	return nil
}

// view names view k of item i.
func (r *run) view(i, k int) picture.View {
	return picture.View{Sum: r.res.evidence.sums[i], Seed: r.cfg.Seed, K: k}
}
