package inception

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/numeric"
)

// Options say what [Classifier.ClassifyImages] and [Classifier.ClassifyEncoded] answer; the zero value
// is every label of a picture and nothing else.
type Options struct {
	TopK    int            // most Predictions of a result; 0 means all
	Explain int            // of how many labels a result has activation maps, in its Explanation; 0: none, negative: all
	Limits  picture.Limits // of one picture; larger ones have a *picture.TooLargeError in their result
}

// Validate names the first field that is wrong.
func (o Options) Validate() error {
	if o.TopK < 0 {
		return fmt.Errorf("inception: Options.TopK is %d, want 0 (every label) or more", o.TopK)
	}
	if o.Limits.MaxBytes < 0 || o.Limits.MaxPixels < 0 {
		return fmt.Errorf("inception: Options.Limits are %d bytes and %d pixels, want 0 (the default) or more",
			o.Limits.MaxBytes, o.Limits.MaxPixels)
	}
	return nil
}

// ClassifyImages is [Classifier.Classify] for pictures in memory, any number of them: few are held as
// the network's input at a time. The pictures are upright; an EXIF orientation is not known any more.
//
// Give an image as its decoder returned it. An *image.YCbCr, which image/jpeg makes, is read as the
// recipe reads a JPEG: its chroma is interpolated, as libjpeg and so most trainers do. Drawn onto an
// *image.RGBA first, its chroma is repeated instead, which moves colours at edges and the answer a little
// with them.
func (c *Classifier) ClassifyImages(ctx context.Context, images []image.Image, opts Options) ([]Result, error) {
	results, err := c.classify(ctx, len(images), func(i int) *Input { return &Input{Image: images[i]} }, opts)
	for i := range results {
		if images[i] == nil {
			results[i].Err = errNoImage
		}
	}
	return results, err
}

var errNoImage = errors.New("inception: got nil, want an image")

// ClassifyEncoded is ClassifyImages for the bytes of picture files, of the formats that package picture
// reads.
func (c *Classifier) ClassifyEncoded(ctx context.Context, pictures [][]byte, opts Options) ([]Result, error) {
	return c.classify(ctx, len(pictures), func(i int) *Input { return &Input{Data: pictures[i]} }, opts)
}

// together is how many pictures of a slice are decoded at a time.
const together = 16

// classify answers for n inputs.
func (c *Classifier) classify(ctx context.Context, n int, input func(i int) *Input, opts Options) ([]Result, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	results := make([]Result, 0, n)
	for len(results) < n {
		inputs := make([]*Input, min(together, n-len(results)))
		for i := range inputs {
			inputs[i] = input(len(results) + i)
			inputs[i].Limits = opts.Limits
		}
		some, err := c.Classify(ctx, inputs...)
		if err != nil {
			return nil, err
		}
		for i := range some {
			if err := c.dress(ctx, &some[i], inputs[i], opts); err != nil {
				return nil, err
			}
		}
		results = append(results, some...)
	}
	return results, ctx.Err()
}

// dress gives a result what the options want.
func (c *Classifier) dress(ctx context.Context, r *Result, in *Input, opts Options) (err error) {
	if r.Err != nil {
		return nil
	}
	if opts.Explain != 0 {
		if r.Explanation, err = c.Explain(ctx, in, opts.Explain); err != nil {
			return err
		}
	}
	if opts.TopK > 0 && opts.TopK < len(r.Predictions) {
		r.Predictions = r.Predictions[:opts.TopK:opts.TopK]
	}
	return nil
}

// EmbedImages returns the features of pictures in memory, [n][Features], of which few are held as
// the network's input at a time; see [Classifier.ClassifyImages] for what kind of image is best. An
// image that cannot be used is an error that says which.
func (t *Trunk) EmbedImages(ctx context.Context, images []image.Image, cfg EmbedConfig) ([][]float32, error) {
	cfg.Load = func(i int, _ []byte, dst []float32) error {
		if images[i] == nil {
			return errNoImage
		}
		in := Input{Image: images[i], Limits: cfg.Limits}
		return in.Decode(ctx, t.weights.Recipe, dst)
	}
	return t.embedSome(ctx, len(images), func(int) ([]byte, error) { return nil, nil }, cfg)
}

// EmbedEncoded is EmbedImages for the bytes of picture files. Where some may be unreadable, or there
// are many, [Trunk.EmbedAll] goes on with the others and keeps nothing.
func (t *Trunk) EmbedEncoded(ctx context.Context, pictures [][]byte, cfg EmbedConfig) ([][]float32, error) {
	return t.embedSome(ctx, len(pictures), func(i int) ([]byte, error) { return pictures[i], nil }, cfg)
}

// embedSome is EmbedAll into a slice.
func (t *Trunk) embedSome(ctx context.Context, n int, read func(i int) ([]byte, error), cfg EmbedConfig) ([][]float32,
	error) {
	rows, all := make([][]float32, n), make([]float32, n*t.Features())
	err := t.EmbedAll(ctx, n, read, func(i int, row []float32, err error) error {
		if err != nil {
			return fmt.Errorf("inception: embed: picture %d: %w", i, err)
		}
		rows[i] = all[i*len(row) : (i+1)*len(row) : (i+1)*len(row)]
		copy(rows[i], row)
		return nil
	}, cfg)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Cosine is how alike two bottlenecks are: the cosine of the angle between them, -1..1, which is 1
// where they differ in length alone. NaN where there are none, or not as many values of both.
func Cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	return min(max(numeric.Dot(a, b)/math.Sqrt(numeric.Dot(a, a)*numeric.Dot(b, b)), -1), 1)
}
