package picture

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/disintegration/imaging"
)

// Augment says how a picture may be altered to make several training examples of it. The zero value
// alters nothing. As JSON it is part of what the altered pictures' bottlenecks are found by in a
// Cache.
//
// A view is made in this order: a window of the picture that the recipe keeps is chosen, 1/(1+Crop)
// of its sides or smaller by up to 1/(1+Scale), anywhere in it; it is turned about its centre; it
// becomes the network's input as the recipe says; it is mirrored; its brightness and colour are
// altered. retrain.py's --flip_left_right, --random_crop, --random_scale and --random_brightness do
// the same, in hundredths.
type Augment struct {
	Flip       bool    `json:"flip,omitempty"`       // left and right change places in half of the views
	Crop       float64 `json:"crop,omitempty"`       // margin cut off every view, as a fraction of what is left; 0..1
	Scale      float64 `json:"scale,omitempty"`      // views are enlarged by a factor 1..1+Scale; 0..1
	Rotate     float64 `json:"rotate,omitempty"`     // views are turned by up to so many degrees to either side; 0..180
	Brightness float64 `json:"brightness,omitempty"` // values are multiplied by 1-Brightness..1+Brightness; 0..1
	// saturation is multiplied by 1-Color..1+Color, and each channel by half as much; 0..1
	Color float64 `json:"color,omitempty"`
}

// Validate names the first field that is wrong.
func (a Augment) Validate() error {
	for _, f := range []struct {
		name        string
		value, most float64
	}{{"crop", a.Crop, 1}, {"scale", a.Scale, 1}, {"rotate", a.Rotate, 180}, {"brightness", a.Brightness, 1},
		{"color", a.Color, 1}} {
		if !(0 <= f.value && f.value <= f.most) {
			return fmt.Errorf("dataset: augment field %q: got %v, want 0..%v", f.name, f.value, f.most)
		}
	}
	return nil
}

// View names one altered copy of one picture.
type View struct {
	Sum  [sha256.Size]byte // SHA-256 of the picture's bytes
	Seed uint64
	K    int // 0, 1, 2...: views of one seed differ
}

// digest is the SHA-256 of all that a view depends on, but for the trunk and the recipe.
func (a Augment) digest(purpose string, v View) [sha256.Size]byte {
	text, err := json.Marshal(a)
	if err != nil { // a number that JSON does not have; Validate refuses it
		text = fmt.Append(nil, a)
	}
	b := fmt.Appendf(nil, "rehead view 1\x00%s\x00%s\x00", purpose, text)
	b = binary.LittleEndian.AppendUint64(b, v.Seed)
	b = binary.LittleEndian.AppendUint64(b, uint64(v.K))
	return sha256.Sum256(append(b, v.Sum[:]...))
}

// CacheSum is what a view's bottleneck is put and found by in a Cache of the same trunk and recipe,
// beside the pictures' own: a digest of the settings, the seed, K and the picture. It is part of
// the format: a version of this package never changes it.
func (a Augment) CacheSum(v View) [sha256.Size]byte { return a.digest("cache", v) }

// drawn is what chance made of an Augment for one view.
type drawn struct {
	flip       bool
	side       float64    // of the window, as a fraction
	x, y       float64    // 0..1, where the window lies in the room that is left
	angle      float64    // radians
	brightness float64    // factor
	saturation float64    // factor
	gain       [3]float64 // factor of each channel
}

// draw takes eight numbers 0..1 from a hash, so that no generator's version matters.
func (a Augment) draw(v View) drawn {
	var u [8]float64
	first, second := a.digest("draw 1", v), a.digest("draw 2", v)
	for i := range u {
		half := first
		if i >= 4 {
			half = second
		}
		u[i] = float64(binary.LittleEndian.Uint64(half[8*(i%4):])>>11) / (1 << 53)
	}
	third := a.digest("draw 3", v)
	d := drawn{
		flip: a.Flip && u[0] < 0.5, side: 1 / ((1 + a.Crop) * (1 + u[1]*a.Scale)), x: u[2], y: u[3],
		angle: (2*u[4] - 1) * a.Rotate * math.Pi / 180, brightness: 1 + (2*u[5]-1)*a.Brightness,
		saturation: 1 + (2*u[6]-1)*a.Color,
	}
	for c := range d.gain {
		w := float64(binary.LittleEndian.Uint64(third[8*c:])>>11) / (1 << 53)
		d.gain[c] = 1 + (2*w-1)*a.Color/2
	}
	return d
}

// View writes view v of a decoded picture to dst, as r.Apply writes the picture itself:
// [3,Size,Size]. orientation is Info.Orientation. Equal arguments give equal values on one kind of
// machine; the pixels decide nothing that is left to chance. Where nothing is altered the answer is
// that of r.Apply, to the last bit. Beyond the picture's edge, where a turned window may reach, its
// outermost pixels are repeated.
func (a Augment) View(img image.Image, orientation int, r Recipe, v View, dst []float32) (err error) {
	if err := errors.Join(a.Validate(), r.Validate()); err != nil {
		return err
	}
	if v.K < 0 {
		return fmt.Errorf("dataset: augment: view %d: want 0 or more", v.K)
	}
	defer unreadable(&err, "augment")
	if img == nil || img.Bounds().Empty() {
		return errors.New("dataset: augment: the picture is empty, want at least 1x1 pixels")
	}
	d := a.draw(v)
	if d.side < 1 || d.angle != 0 {
		img, r = d.cut(img, orientation, r),
			Recipe{Size: r.Size, Geometry: Squash, Filter: r.Filter, Mean: r.Mean, Std: r.Std}
		orientation = 1
	}
	colours := d.brightness != 1 || d.saturation != 1 || d.gain != [3]float64{1, 1, 1}
	plain := r
	if colours {
		plain.Mean, plain.Std = [3]float32{}, [3]float32{1, 1, 1}
	}
	if err := plain.Apply(img, orientation, dst); err != nil {
		return err
	}
	if d.flip {
		mirror(dst, r.Size)
	}
	if colours {
		d.paint(dst, r)
	}
	return nil
}

// cut returns the window as a picture of its own, turned.
func (d drawn) cut(img image.Image, orientation int, r Recipe) image.Image {
	s := pool.Get().(*scratch)
	defer func() {
		s.rows.img = nil
		pool.Put(s)
	}()
	s.rows.init(img)
	b := img.Bounds()
	if r.Orient && 2 <= orientation && orientation <= 8 {
		whole := new(image.NRGBA)
		s.rows.fill(whole, image.Rect(0, 0, b.Dx(), b.Dy()), s)
		img = upright(whole, orientation)
		s.rows.init(img)
		b = img.Bounds()
	}
	kept := r.kept(b.Dx(), b.Dy())
	w, h := math.Max(1, kept.w*d.side), math.Max(1, kept.h*d.side)
	x, y := kept.x+d.x*math.Max(0, kept.w-w), kept.y+d.y*math.Max(0, kept.h-h)
	bounds := image.Rect(0, 0, b.Dx(), b.Dy())
	out := new(image.NRGBA)
	if d.angle == 0 {
		left, top := int(math.Round(x)), int(math.Round(y))
		right, bottom := max(left+1, int(math.Round(x+w))), max(top+1, int(math.Round(y+h)))
		s.rows.fill(out, image.Rect(left, top, right, bottom).Intersect(bounds), s)
		return out
	}
	sin, cos := math.Sincos(d.angle)
	cx, cy := x+w/2, y+h/2
	halfX, halfY := (w*math.Abs(cos)+h*math.Abs(sin))/2, (w*math.Abs(sin)+h*math.Abs(cos))/2
	box := image.Rect(int(math.Floor(cx-halfX))-1, int(math.Floor(cy-halfY))-1, int(math.Ceil(cx+halfX))+2,
		int(math.Ceil(cy+halfY))+2).Intersect(bounds)
	s.rows.fill(out, box, s)
	// Shrunk first, by the recipe's filter, so that two pixels a side are enough to turn by.
	shrink := math.Min(1, float64(r.Size)/math.Min(w, h))
	around := out
	if shrink < 1 {
		filter, ok := filterOf(r.Filter)
		if !ok {
			filter = imaging.Linear
		}
		around = imaging.Resize(out, max(1, int(math.Round(float64(box.Dx())*shrink))),
			max(1, int(math.Round(float64(box.Dy())*shrink))), filter)
	}
	scaleX, scaleY := float64(around.Rect.Dx())/float64(box.Dx()), float64(around.Rect.Dy())/float64(box.Dy())
	turned := image.NewNRGBA(image.Rect(0, 0, r.Size, r.Size))
	for j := range r.Size {
		for i := range r.Size {
			u, v := ((float64(i)+0.5)/float64(r.Size)-0.5)*w, ((float64(j)+0.5)/float64(r.Size)-0.5)*h
			px, py := cx+u*cos-v*sin-float64(box.Min.X), cy+u*sin+v*cos-float64(box.Min.Y)
			sample(around, px*scaleX-0.5, py*scaleY-0.5, turned.Pix[j*turned.Stride+4*i:][:4])
		}
	}
	return turned
}

// sample interpolates between the four pixels around (x,y), the edge repeated.
func sample(img *image.NRGBA, x, y float64, dst []uint8) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	x, y = math.Min(math.Max(x, 0), float64(w-1)), math.Min(math.Max(y, 0), float64(h-1))
	x0, y0 := int(x), int(y)
	x1, y1 := min(x0+1, w-1), min(y0+1, h-1)
	fx, fy := x-float64(x0), y-float64(y0)
	for c := range 3 {
		at := func(x, y int) float64 { return float64(img.Pix[y*img.Stride+4*x+c]) }
		top, bottom := at(x0, y0)+fx*(at(x1, y0)-at(x0, y0)), at(x0, y1)+fx*(at(x1, y1)-at(x0, y1))
		dst[c] = uint8(math.Round(top + fy*(bottom-top)))
	}
	dst[3] = 255
}

// region is the part of a picture that a recipe keeps, in pixels.
type region struct{ x, y, w, h float64 }

func (r Recipe) kept(width, height int) region {
	p := r.plan(width, height)
	from := region{float64(p.from.Min.X), float64(p.from.Min.Y), float64(p.from.Dx()), float64(p.from.Dy())}
	acrossX, acrossY := from.w/float64(p.width), from.h/float64(p.height)
	return region{
		x: from.x + float64(p.x)*acrossX, y: from.y + float64(p.y)*acrossY,
		w: float64(r.Size) * acrossX, h: float64(r.Size) * acrossY,
	}
}

// mirror swaps left and right in planes of size x size.
func mirror(planes []float32, size int) {
	for at := 0; at < len(planes); at += size {
		row := planes[at : at+size]
		for i, j := 0, size-1; i < j; i, j = i+1, j-1 {
			row[i], row[j] = row[j], row[i]
		}
	}
}

// paint alters brightness and colour of values 0..255, holds them there, and scales them as r says.
func (d drawn) paint(planes []float32, r Recipe) {
	plane := r.Size * r.Size
	red, green, blue := planes[:plane], planes[plane:2*plane], planes[2*plane:3*plane]
	for i := range red {
		rgb := [3]float64{float64(red[i]), float64(green[i]), float64(blue[i])}
		grey := 0.299*rgb[0] + 0.587*rgb[1] + 0.114*rgb[2]
		for c := range rgb {
			v := (grey + (rgb[c]-grey)*d.saturation) * d.gain[c] * d.brightness
			rgb[c] = (math.Min(math.Max(v, 0), 255) - float64(r.Mean[c])) / float64(r.Std[c])
		}
		red[i], green[i], blue[i] = float32(rgb[0]), float32(rgb[1]), float32(rgb[2])
	}
}
