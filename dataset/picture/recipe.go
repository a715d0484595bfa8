package picture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"sync"

	"github.com/disintegration/imaging"

	"github.com/c236555e/rehead/dataset/picture/internal/raster"
)

// The geometries of Recipe.
const (
	Squash  = "squash"  // the whole picture, its aspect ratio given up
	Crop    = "crop"    // the short side resized to Recipe.Resize, the centre cut out (torchvision, timm)
	Central = "central" // the central Recipe.Fraction of each side, squashed (TF-slim)
	// and Square, Pad and PadBefore
)

// The filters of Recipe.
const (
	// two samples a side at x = floor(i*in/out): TensorFlow 1's resize_bilinear, align_corners
	// false
	TF1Bilinear = "tf1-bilinear"
	Bilinear    = "bilinear" // triangle, widened when shrinking (antialiased)
	Bicubic     = "bicubic"  // Catmull-Rom (a = -0.5), widened when shrinking
	Lanczos     = "lanczos"  // three lobes, widened when shrinking
	Nearest     = "nearest"  // the pixel under the centre
	// and those of other tools, see Resizes
)

// MaxSize bounds Recipe.Size and Recipe.Resize, in pixels.
const MaxSize = 4096

// Recipe turns a picture into the network's input. It is stored in every model, so that training
// and serving cannot differ. As JSON it takes no unknown fields.
//
// The steps: Color and Stretch; EXIF orientation; geometry and filter; then y = (x-Mean)/Std for
// each channel, in float32. A picture that is Size x Size already has been prepared by somebody: it
// is neither cut nor resized under any geometry. "tf1-bilinear" hands its unrounded floats on, as
// TensorFlow does; the other filters are those of disintegration/imaging, which like Pillow's round
// to 8 bits after each of two passes.
type Recipe struct {
	Size     int        `json:"size"`               // output is [3,Size,Size]; in pixels, 1..MaxSize
	Orient   bool       `json:"orient"`             // apply the EXIF orientation first
	Geometry string     `json:"geometry"`           // Squash, Crop, Central, Square, Pad or PadBefore
	Resize   int        `json:"resize,omitempty"`   // Crop: the short side's pixels before the cut, Size..MaxSize
	Fraction float64    `json:"fraction,omitempty"` // Central: the part of each side that is kept, in (0,1]
	Filter   string     `json:"filter"`             // TF1Bilinear, Bilinear, Bicubic, Lanczos, Nearest or another tool's
	Mean     [3]float32 `json:"mean"`               // R, G, B; in 0..255
	Std      [3]float32 `json:"std"`                // R, G, B; above zero
	Color    string     `json:"color,omitempty"`    // Managed, or "" for colours as they are stored
	Stretch  bool       `json:"stretch,omitempty"`  // pictures of 16 bits: the largest value becomes white
}

// UnmarshalJSON rejects unknown fields. It does not Validate.
func (r *Recipe) UnmarshalJSON(data []byte) error {
	type plain Recipe
	var p plain
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return fmt.Errorf("dataset: recipe: %w", err)
	}
	*r = Recipe(p)
	return nil
}

// Validate names the first field that is wrong.
func (r Recipe) Validate() error {
	bad := func(field string, got any, want string) error {
		return fmt.Errorf("dataset: recipe field %q: got %v, want %s", field, got, want)
	}
	if r.Size < 1 || r.Size > MaxSize {
		return bad("size", r.Size, fmt.Sprintf("1..%d", MaxSize))
	}
	switch r.Geometry {
	case Squash, Crop, Central, Square:
	case Pad, PadBefore:
		if !sampled(r.Filter) {
			return bad("filter", fmt.Sprintf("%q", r.Filter), fmt.Sprintf("one of another tool's with geometry %q", r.Geometry))
		}
	default:
		return bad("geometry", fmt.Sprintf("%q", r.Geometry), `"squash", "crop", "central", "square", "pad" or "pad-first"`)
	}
	switch {
	case r.Geometry == Crop && (r.Resize < r.Size || r.Resize > MaxSize):
		return bad("resize", r.Resize, fmt.Sprintf("%d..%d (size..%d) with geometry \"crop\"", r.Size, MaxSize, MaxSize))
	case r.Geometry != Crop && r.Resize != 0:
		return bad("resize", r.Resize, fmt.Sprintf("none with geometry %q", r.Geometry))
	case r.Geometry == Central && !(0 < r.Fraction && r.Fraction <= 1):
		return bad("fraction", r.Fraction, `above 0 and at most 1 with geometry "central"`)
	case r.Geometry != Central && r.Fraction != 0:
		return bad("fraction", r.Fraction, fmt.Sprintf("none with geometry %q", r.Geometry))
	}
	if _, ok := filterOf(r.Filter); !ok && r.Filter != TF1Bilinear && !sampled(r.Filter) {
		return bad("filter", fmt.Sprintf("%q", r.Filter), `"tf1-bilinear", "bilinear", "bicubic", "lanczos", "nearest" or `+
			`another tool's, as "tf-bilinear"`)
	}
	if r.Color != "" && r.Color != Managed {
		return bad("color", fmt.Sprintf("%q", r.Color), `"managed" or none`)
	}
	for c := range 3 {
		if m := float64(r.Mean[c]); math.IsNaN(m) || math.Abs(m) > 1e6 {
			return bad(fmt.Sprintf("mean[%d]", c), r.Mean[c], "a number, usually 0..255")
		}
		if s := float64(r.Std[c]); !(1e-6 <= s && s <= 1e6) {
			return bad(fmt.Sprintf("std[%d]", c), r.Std[c], "a number above zero, usually 1..255")
		}
	}
	return nil
}

func filterOf(name string) (imaging.ResampleFilter, bool) {
	switch name {
	case Bilinear:
		return imaging.Linear, true
	case Bicubic:
		return imaging.CatmullRom, true
	case Lanczos:
		return imaging.Lanczos, true
	case Nearest:
		return imaging.NearestNeighbor, true
	}
	return imaging.ResampleFilter{}, false
}

// plan is a geometry worked out for one picture: the rectangle from is resized to width x height,
// of which the square at (x,y) is kept.
type plan struct {
	from          image.Rectangle
	width, height int
	x, y          int
}

// maxAspect is the longest picture, long side by short, that Crop resizes as it stands. Of a longer
// one only the middle is resized, since the cut keeps no more than the middle anyway and a strip of
// 65,535 x 1 would need gigabytes.
const maxAspect = 32

func (r Recipe) plan(width, height int) plan {
	p := plan{from: image.Rect(0, 0, width, height), width: r.Size, height: r.Size}
	if width == r.Size && height == r.Size {
		return p
	}
	switch r.Geometry {
	case Central: // tf.image.central_crop
		x, y := int((float64(width)-float64(width)*r.Fraction)/2), int((float64(height)-float64(height)*r.Fraction)/2)
		p.from = image.Rect(x, y, width-x, height-y)
	case Square:
		side := min(width, height)
		x, y := (width-side)/2, (height-side)/2
		p.from = image.Rect(x, y, x+side, y+side)
	case PadBefore:
		side := max(width, height)
		x, y := (side-width)/2, (side-height)/2 // on either side: a pixel less than a square when odd
		p.from = image.Rect(-x, -y, width+x, height+y)
	case Pad: // in TensorFlow's 32 bits
		size, w, h := float32(r.Size), float32(width), float32(height)
		ratio := max(w/size, h/size)
		p.width, p.height = max(int(w/ratio), 1), max(int(h/ratio), 1)
		p.x, p.y = -int((size-w/ratio)/2), -int((size-h/ratio)/2)
	case Crop: // torchvision.transforms: Resize, then CenterCrop
		short, long := min(width, height), max(width, height)
		if long > maxAspect*short {
			cut := (long - maxAspect*short) / 2
			if width > height {
				p.from.Min.X, p.from.Max.X = cut, width-cut
			} else {
				p.from.Min.Y, p.from.Max.Y = cut, height-cut
			}
			long -= 2 * cut
		}
		p.width, p.height = r.Resize, r.Resize
		if width > height {
			p.width = int(int64(r.Resize) * int64(long) / int64(short))
		} else {
			p.height = int(int64(r.Resize) * int64(long) / int64(short))
		}
		p.x = int(math.RoundToEven(float64(p.width-r.Size) / 2))
		p.y = int(math.RoundToEven(float64(p.height-r.Size) / 2))
	}
	return p
}

// scratch is what one Apply works in; reused, so that a steady state allocates only what imaging
// does.
type scratch struct {
	rows   rows
	xs     []int32
	rgb    []uint8
	planes []float32   // a row of the picture in 3 planes
	canvas image.NRGBA // the part of the picture that is resized, or the picture before it is turned
	tf1    tf1
	table  [3][256]float32
}

// pool holds scratch between calls. It carries no state from one to the next.
var pool = sync.Pool{New: func() any { return &scratch{rows: rows{raster: raster.New()}} }}

// unreadable makes a panic an error: a picture may be anybody's implementation, a nil in an
// interface, or claim more pixels than it has.
func unreadable(err *error, doing string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("dataset: %s: the picture cannot be read: it does not hold the pixels that it claims", doing)
	}
}

// maxKept is how large a canvas, in bytes, may go back to the pool: a photograph of 16 megapixels.
const maxKept = 64 << 20

// release gives s back to the pool.
func (s *scratch) release() {
	s.rows.img = nil
	if cap(s.canvas.Pix) > maxKept {
		s.canvas.Pix = nil
	}
	pool.Put(s)
}

// Apply writes the picture to dst as [3,Size,Size]: channels R, G, B, rows from the top.
// orientation is Info.Orientation; it is used when r.Orient is set, and values outside 1..8 mean 1.
// Alpha is laid on Background. Apply keeps neither img nor dst, and is safe for concurrent use.
func (r Recipe) Apply(img image.Image, orientation int, dst []float32) (err error) {
	if err := r.Validate(); err != nil {
		return err
	}
	if want := 3 * r.Size * r.Size; len(dst) != want {
		return fmt.Errorf("dataset: apply recipe: dst has %d values, want 3*%d*%d = %d", len(dst), r.Size, r.Size, want)
	}
	defer unreadable(&err, "apply recipe")
	if img == nil || img.Bounds().Empty() {
		return errors.New("dataset: apply recipe: the picture is empty, want at least 1x1 pixels")
	}
	s := pool.Get().(*scratch)
	defer s.release()
	if r.Orient && 2 <= orientation && orientation <= 8 {
		s.rows.init(img)
		b := img.Bounds()
		s.rows.fill(&s.canvas, image.Rect(0, 0, b.Dx(), b.Dy()), s)
		img = upright(&s.canvas, orientation)
	}
	s.rows.init(img)
	p := r.plan(img.Bounds().Dx(), img.Bounds().Dy())
	if r.Filter == TF1Bilinear {
		s.tf1.resize(&r, p, s, dst)
		return nil
	}
	if sampled(r.Filter) {
		s.sample(&r, p, dst)
		return nil
	}
	r.resample(p, s, dst)
	return nil
}

// upright undoes an EXIF orientation.
func upright(img image.Image, orientation int) image.Image {
	switch orientation {
	case 2:
		return imaging.FlipH(img)
	case 3:
		return imaging.Rotate180(img)
	case 4:
		return imaging.FlipV(img)
	case 5:
		return imaging.Transpose(img)
	case 6:
		return imaging.Rotate270(img)
	case 7:
		return imaging.Transverse(img)
	case 8:
		return imaging.Rotate90(img)
	}
	return img
}

// Levels are the numbers that the values 0 to 255 of R, G and B become. Of the filters that round to 8 bits,
// as those of disintegration/imaging do, Apply writes no others.
func (r Recipe) Levels() (levels [3][256]float32) {
	for c := range levels {
		for v := range levels[c] {
			levels[c][v] = (float32(v) - r.Mean[c]) / r.Std[c]
		}
	}
	return levels
}

// resample resizes with imaging and scales through a table, a row a channel.
func (r *Recipe) resample(p plan, s *scratch, dst []float32) {
	from, whole := s.rows.img.(*image.NRGBA)
	if !whole || from.Rect != p.from || !from.Opaque() {
		s.rows.fill(&s.canvas, p.from, s)
		from = &s.canvas
	}
	filter, _ := filterOf(r.Filter)
	out := from
	if p.width != from.Rect.Dx() || p.height != from.Rect.Dy() {
		out = imaging.Resize(from, p.width, p.height, filter)
	}
	s.table = r.Levels()
	plane := r.Size * r.Size
	red, green, blue := dst[:plane], dst[plane:2*plane], dst[2*plane:3*plane]
	for y := range r.Size {
		row := out.Pix[(p.y+y)*out.Stride+4*p.x:][:4*r.Size]
		for x := range r.Size {
			at := y*r.Size + x
			red[at], green[at], blue[at] = s.table[0][row[4*x]], s.table[1][row[4*x+1]], s.table[2][row[4*x+2]]
		}
	}
}

// Load is LoadContext with a context that does not end.
func (r Recipe) Load(data []byte, lim Limits, dst []float32) (Info, error) {
	return r.LoadContext(context.Background(), data, lim, dst)
}

// LoadContext is Decode and Apply: the one way from a picture's bytes to the network's input, for
// training and serving alike. dst is [3,Size,Size]. The errors are Decode's, or say what is wrong
// with r or dst.
func (r Recipe) LoadContext(ctx context.Context, data []byte, lim Limits, dst []float32) (Info, error) {
	h, err := ReadHeader(data, lim)
	if err != nil {
		return h.Info, err
	}
	return h.Info, r.LoadFrom(ctx, &h, dst)
}

// LoadFrom is LoadContext for a picture whose header has been read.
func (r Recipe) LoadFrom(ctx context.Context, h *Header, dst []float32) error {
	img, err := r.decodeFrom(ctx, h)
	if err != nil {
		return err
	}
	return r.Apply(img, h.Orientation, dst)
}

// Decode is DecodeContext and what the recipe does to a picture's colours, which Apply expects
// done: Stretch and Color.
func (r Recipe) Decode(ctx context.Context, data []byte, lim Limits) (image.Image, Info, error) {
	h, err := ReadHeader(data, lim)
	if err != nil {
		return nil, h.Info, err
	}
	img, err := r.decodeFrom(ctx, &h)
	return img, h.Info, err
}

func (r Recipe) decodeFrom(ctx context.Context, h *Header) (image.Image, error) {
	img, err := h.Decode(ctx)
	if err != nil {
		return nil, err
	}
	if r.Stretch {
		stretch(img)
	}
	if r.Color == Managed {
		img = managed(img, h.Format, h.data)
	}
	return img, nil
}
