package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// calibrate puts the run's trunk into the precision that is asked for. Int8 takes its ranges from
// the model that the run starts from, where that has some, else from the training pictures with the
// least digests: the same however files are called, and nearly the same when a few are added, so
// that their bottlenecks stay in the cache.
func (r *run) calibrate(ctx context.Context, e *embedder, out *embedded, bad []error) error {
	switch want := r.cfg.Precision; {
	case want == "" || want == r.weights.Precision():
		return nil
	case want == nn.Float32:
		return fmt.Errorf("train: got weights of %s, want those of %s: give the weight file itself",
			r.weights.Precision(), want)
	case want == nn.BFloat16:
		w, err := r.weights.Narrowed()
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		r.weights, e.weights = w, w
		return nil
	}
	w := r.weights
	var err error
	if m := r.cfg.WarmStart; m != nil && m.Ranges != nil {
		r.weights, err = w.Quantized(m.Ranges)
	} else {
		items := r.calibrators(out.sums, bad)
		order := source.Order(items, dataset.Item.File)
		p := newMeter(PhaseCalibrate, len(items), e.Progress, e.seconds)
		r.weights, err = inception.Calibrate(ctx, w, e.Engine, len(items), func(i int, pixels []float32) error {
			data, err := items[order[i]].File().Read(e.Limits)
			if err == nil {
				_, err = w.Recipe.Load(data, e.Limits, pixels)
			}
			p.step(err != nil)
			return err
		})
		if err == nil {
			p.end()
		}
	}
	if err != nil {
		return fmt.Errorf("train: calibrate: %w", err)
	}
	e.weights = r.weights
	return nil
}

// calibrators chooses the pictures to calibrate with.
func (r *run) calibrators(sums [][sha256.Size]byte, bad []error) []dataset.Item {
	var chosen []int
	for i, it := range r.folder.Items {
		if it.Split == dataset.Train && bad[i] == nil {
			chosen = append(chosen, i)
		}
	}
	slices.SortFunc(chosen, func(a, b int) int { return bytes.Compare(sums[a][:], sums[b][:]) })
	chosen = slices.CompactFunc(chosen, func(a, b int) bool { return sums[a] == sums[b] })
	var items []dataset.Item
	for _, i := range chosen[:min(len(chosen), inception.CalibrationPictures)] {
		items = append(items, r.folder.Items[i])
	}
	return items
}
