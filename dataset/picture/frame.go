package picture

import (
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/disintegration/imaging"
)

// Frame says where on a picture the network's square input lies: the point (u,v) of the input, in
// its pixels from the left upper corner, is the point (X+u*ScaleX, Y+v*ScaleY) of the picture.
type Frame struct {
	Width, Height  int     // of the picture as the recipe sees it, upright if Recipe.Orient; in pixels
	X, Y           float64 // the input's left upper corner, in the picture's pixels
	ScaleX, ScaleY float64 // the picture's pixels for each of the input's
}

// Frame returns where the input lies on the picture that info describes. The recipe must be valid.
func (r Recipe) Frame(info Info) Frame {
	v := Frame{Width: info.Width, Height: info.Height}
	if r.Orient && info.Orientation >= 5 && info.Orientation <= 8 { // a quarter turn
		v.Width, v.Height = v.Height, v.Width
	}
	p := r.plan(v.Width, v.Height)
	v.ScaleX = float64(p.from.Dx()) / float64(p.width)
	v.ScaleY = float64(p.from.Dy()) / float64(p.height)
	v.X = float64(p.from.Min.X) + float64(p.x)*v.ScaleX
	v.Y = float64(p.from.Min.Y) + float64(p.y)*v.ScaleY
	return v
}

// Thumbnail decodes a picture and shrinks it, all of it, to fit into side x side pixels: upright if
// r.Orient, alpha laid on Background. A picture that fits already keeps its size. The errors are
// Decode's, or say what is wrong with side.
func (r Recipe) Thumbnail(data []byte, lim Limits, side int) (*image.NRGBA, Info, error) {
	if side < 1 || side > MaxSize {
		return nil, Info{}, fmt.Errorf("dataset: thumbnail: got a side of %d pixels, want 1..%d", side, MaxSize)
	}
	img, info, err := r.Decode(context.Background(), data, lim)
	if err != nil {
		return nil, info, err
	}
	small, err := thumbnail(img, side)
	if err != nil {
		return nil, info, err
	}
	if r.Orient {
		small = imaging.Clone(upright(small, info.Orientation))
	}
	return small, info, nil
}

func thumbnail(img image.Image, side int) (out *image.NRGBA, err error) {
	defer unreadable(&err, "thumbnail")
	b := img.Bounds()
	if b.Empty() {
		return nil, errors.New("dataset: thumbnail: the picture is empty, want at least 1x1 pixels")
	}
	s := pool.Get().(*scratch)
	defer s.release()
	s.rows.init(img)
	s.rows.fill(&s.canvas, image.Rect(0, 0, b.Dx(), b.Dy()), s)
	long := max(b.Dx(), b.Dy())
	if long <= side {
		return imaging.Clone(&s.canvas), nil
	}
	return imaging.Resize(&s.canvas, max(1, b.Dx()*side/long), max(1, b.Dy()*side/long), imaging.Linear), nil
}
