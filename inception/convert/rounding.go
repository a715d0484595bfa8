package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
)

// A network whose weights were rounded to a few levels answers otherwise than the one that was
// trained. By how much, the file does not say; but rounding the weights once more, in another way,
// does about the same to the bottleneck as the first time.

// maxMoved is how far the bottleneck may be moved, of its norm, by weights that are taken without
// being asked for: less than the 3 % that would show in answers, since one drawn picture is an estimate.
const maxMoved = 0.02

// bearable notes how far the rounding of a file's weights moves the bottleneck, and refuses them where
// that is too far.
func bearable(w *inception.Weights) error {
	moved, err := rounding(w)
	if err != nil {
		return err
	}
	percent := fmt.Sprintf("holds int8 weights, whose rounding moves the bottleneck by about %.2g %%", 100*moved)
	if !(moved <= maxMoved) {
		return errors.New(percent + ", so that it answers otherwise than the network that was trained: convert the file " +
			"that it was quantised from, or say --quantized to take the weights as they are")
	}
	w.Notes["doubt"] = strings.TrimPrefix(w.Notes["doubt"]+"; "+percent, "; ")
	return nil
}

// rounding returns by how much of its norm the bottleneck of a drawn picture moves when each weight
// moves by up to half a step of its channel.
func rounding(w *inception.Weights) (float64, error) {
	picture, err := drawn()
	if err != nil {
		return 0, err
	}
	was, err := passed(w, picture)
	if err != nil {
		return 0, err
	}
	is, err := passed(shaken(w), picture)
	return numeric.Distance(is, was), err
}

// drawn is a picture as PNG.
func drawn() ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, draw.Picture(0, 0, 1))
	return b.Bytes(), err
}

// passed is what the head reads of a picture: the bottleneck, or the maxima, which rounding moves further.
func passed(w *inception.Weights, picture []byte) (out []float32, err error) {
	t, err := inception.NewTrunkOf(w.TrunkOnly(), w.Reads, nn.Config{Device: "cpu", Lean: true})
	if err != nil {
		return nil, err
	}
	err = t.EmbedAll(context.Background(), 1, func(int) ([]byte, error) { return picture, nil },
		func(_ int, v []float32, err error) error {
			out = slices.Clone(v)
			return err
		}, inception.EmbedConfig{})
	return out, errors.Join(err, t.Close())
}

// shaken are weights that were rounded once more, at random.
func shaken(w *inception.Weights) *inception.Weights {
	other := *w
	other.Tensors = maps.Clone(w.Tensors)
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for _, name := range slices.Sorted(maps.Keys(w.Tensors)) {
		t := w.Tensors[name]
		if len(t.Shape) != 4 {
			continue
		}
		data, per := slices.Clone(t.Data), len(t.Data)/t.Shape[0]
		for from := 0; from < len(data); from += per {
			channel := data[from:][:per]
			d := step(channel)
			for i := range channel {
				channel[i] += d * (rng.Float32() - 0.5)
			}
		}
		other.Tensors[name] = inception.Tensor{Shape: t.Shape, Data: data}
	}
	return &other
}

// step is the least distance between two levels of at most 256 that values lie on.
func step(values []float32) float32 {
	levels := slices.Sorted(slices.Values(values))
	all := levels[len(levels)-1] - levels[0]
	least := all
	for i := 1; i < len(levels); i++ {
		if d := levels[i] - levels[i-1]; d > all/512 { // what is less is float32's rounding
			least = min(least, d)
		}
	}
	return least
}
