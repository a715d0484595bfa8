package inception

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"

	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// RecordSelfTest gives the model, which must have its trunk, a self-test of its answers for the
// given pictures, PNG or JPEG; of none, for drawn ones. Who makes a model calls it last: what Check
// finds later is what has changed since. Where cfg rounds more than float32 does, the CPU answers:
// the answers are those that every server is held to.
func RecordSelfTest(ctx context.Context, m *Model, cfg nn.Config, pictures ...[]byte) error {
	if m == nil {
		return errors.New("inception: self-test: got no model")
	}
	if cfg.Arithmetic() != "" {
		cfg.Device, cfg.Kernel = "cpu", ""
	}
	c, err := NewClassifier(m, cfg)
	if err != nil {
		return fmt.Errorf("inception: self-test: %w", err)
	}
	m.SelfTest, err = c.Record(ctx, pictures...)
	return errors.Join(err, c.Close())
}

// drawnPictures are what a self-test is made of where nothing else is at hand, as PNG. They differ
// in size, shape and colour, so that a network that mixes up any of these shows.
func drawnPictures() ([][]byte, error) {
	var pictures [][]byte
	for class := range 2 {
		var b bytes.Buffer
		if err := png.Encode(&b, draw.Picture(class, 0, 1)); err != nil {
			return nil, fmt.Errorf("inception: self-test: %w", err)
		}
		pictures = append(pictures, b.Bytes())
	}
	return pictures, nil
}

// checkPass runs a model that has no self-test on drawn pictures: that they have an answer is all
// that can be known.
func (c *Classifier) checkPass(ctx context.Context) error {
	pictures, err := drawnPictures()
	if err != nil {
		return err
	}
	results, err := c.Classify(ctx, encodedInputs(pictures)...)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Err != nil {
			return fmt.Errorf("inception: %w: drawn picture %d: %w", ErrSelfTest, i, r.Err)
		}
	}
	return nil
}
