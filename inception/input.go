package inception

import (
	"context"
	"errors"
	"image"

	"github.com/c236555e/rehead/dataset/picture"
)

// Input is one picture for a [Classifier] in one of three forms: encoded, decoded, or as the
// network takes it, which Decode makes of the other two.
type Input struct {
	Data   []byte         // an encoded picture
	Limits picture.Limits // of Data; the zero value means the defaults. Of an Image where MaxPixels is set
	Image  image.Image    // a decoded one, upright; see Classifier.ClassifyImages
	Pixels []float32      // [3,Size,Size], as the recipe makes it

	Info   picture.Info // what Data or Image is, by ReadHeader or Decode
	header *picture.Header
}

// ReadHeader reads the header of Data and holds it against Limits. Decode does not read it again.
func (in *Input) ReadHeader() error {
	if in == nil {
		return errors.New("inception: input: got none")
	}
	if in.header != nil {
		return nil
	}
	h, err := picture.ReadHeader(in.Data, in.Limits)
	if in.Info = h.Info; err == nil {
		in.header = &h
	}
	return err
}

// Decode makes Pixels of Data or Image by the recipe, in dst (nil: in a new slice), which is the
// input's until the caller is done with it. An input that has its Pixels stays as it is. When ctx
// ends, so does Decode, with its error.
func (in *Input) Decode(ctx context.Context, r picture.Recipe, dst []float32) (err error) {
	if in == nil {
		return errors.New("inception: input: got none")
	}
	if in.Pixels != nil {
		return nil
	}
	if err := errors.Join(r.Validate(), ctx.Err()); err != nil {
		return err
	}
	if dst == nil {
		dst = make([]float32, 3*r.Size*r.Size)
	}
	if in.Image != nil {
		if err = in.withinLimits(); err != nil {
			return err
		}
		if err = r.Apply(in.Image, 1, dst); err == nil {
			size := in.Image.Bounds()
			in.Info = picture.Info{Width: size.Dx(), Height: size.Dy(), Orientation: 1}
		}
	} else if err = in.ReadHeader(); err == nil {
		err = r.LoadFrom(ctx, in.header, dst)
	}
	if err == nil {
		in.Pixels = dst
	}
	return err
}

// withinLimits holds the size of Image, which is in memory already, against Limits where these say one.
func (in *Input) withinLimits() (err error) {
	limit := in.Limits.MaxPixels
	if limit <= 0 {
		return nil
	}
	defer func() {
		if recover() != nil { // a nil in the interface
			err = errors.New("inception: input: got an Image that has no bounds")
		}
	}()
	size := in.Image.Bounds()
	if got := int64(size.Dx()) * int64(size.Dy()); got > limit {
		return &picture.TooLargeError{What: "pixels", Got: got, Limit: limit, Width: size.Dx(), Height: size.Dy()}
	}
	return nil
}
