package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/c236555e/rehead/dataset/picture/internal/tiff"
)

// Managed is Recipe.Color of a recipe that converts pictures with a matrix-shaped RGB profile, as
// Display P3's and Adobe RGB's, to sRGB.
const Managed = "managed"

// maxProfile bounds an unpacked colour profile.
const maxProfile = 4 << 20

// profileOf returns the colour profile that a file embeds; nil when it has none.
func profileOf(format string, data []byte) []byte {
	switch format {
	case "jpeg":
		parts := scanJPEG(data).profile
		slices.SortStableFunc(parts, func(a, b []byte) int { return int(a[0]) - int(b[0]) })
		var all []byte
		for _, p := range parts {
			all = append(all, p[2:]...)
		}
		return all
	case "png":
		for kind, whole := range pngChunks(data) {
			if kind == "IDAT" {
				break
			}
			if kind != "iCCP" {
				continue
			}
			_, packed, ok := bytes.Cut(whole[8:len(whole)-4], []byte{0})
			if !ok || len(packed) == 0 {
				return nil
			}
			z, err := zlib.NewReader(bytes.NewReader(packed[1:])) // behind the method, of which there is one
			if err != nil {
				return nil
			}
			profile, err := io.ReadAll(io.LimitReader(z, maxProfile))
			if err != nil {
				return nil
			}
			return profile
		}
	case "tiff":
		return tiff.Profile(data)
	case "webp":
		for c := range riffChunks(data) {
			if c.id == "ICCP" {
				return c.body
			}
		}
	}
	return nil
}

// colours converts RGB to sRGB: each channel to light, a matrix, and back.
type colours struct {
	light  [3][256]float32
	matrix [3][3]float32
}

// readProfile reads a profile of the class that a matrix and three curves make. ok is false for
// every other one, and for one that changes no colour by more than a level. Source: ICC.1:2022,
// sections 7.2, 7.3, 10.6, 10.18 and 10.31.
func readProfile(data []byte) (c colours, ok bool) {
	be := binary.BigEndian
	if len(data) < 132 || string(data[16:24]) != "RGB XYZ " {
		return c, false
	}
	tags := map[string][]byte{}
	for i := range min(be.Uint32(data[128:]), 100) {
		at := 132 + 12*uint64(i)
		if at+12 > uint64(len(data)) {
			return c, false
		}
		from, n := uint64(be.Uint32(data[at+4:])), uint64(be.Uint32(data[at+8:]))
		if from+n <= uint64(len(data)) {
			tags[string(data[at:at+4])] = data[from : from+n]
		}
	}
	// from XYZ about D50 to linear sRGB
	srgb := [3][3]float64{{3.1338561, -1.6168667, -0.4906146}, {-0.9787684, 1.9161415, 0.0334540},
		{0.0719453, -0.2289914, 1.4052427}}
	for i, name := range []string{"r", "g", "b"} {
		xyz := tags[name+"XYZ"]
		curve, known := readCurve(tags[name+"TRC"])
		if !known || len(xyz) < 20 || string(xyz[:4]) != "XYZ " {
			return c, false
		}
		for v := range 256 {
			c.light[i][v] = float32(curve(float64(v) / 255))
		}
		for row := range 3 {
			sum := 0.0
			for k := range 3 {
				sum += srgb[row][k] * fixed(xyz[8+4*k:])
			}
			c.matrix[row][i] = float32(sum)
		}
	}
	return c, c.matters()
}

func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// readCurve reads a tone curve: a gamma, a table, or the parameters of a formula.
func readCurve(b []byte) (curve func(float64) float64, ok bool) {
	if len(b) < 12 {
		return nil, false
	}
	be := binary.BigEndian
	switch string(b[:4]) {
	case "curv":
		n := uint64(be.Uint32(b[8:]))
		table := b[12:]
		switch {
		case n == 0:
			return func(x float64) float64 { return x }, true
		case 2*n > uint64(len(table)):
			return nil, false
		case n == 1:
			gamma := float64(be.Uint16(table)) / 256
			return func(x float64) float64 { return math.Pow(x, gamma) }, true
		}
		return func(x float64) float64 {
			at := x * float64(n-1)
			i := min(int(at), int(n)-2)
			left, right := float64(be.Uint16(table[2*i:])), float64(be.Uint16(table[2*i+2:]))
			return (left + (right-left)*(at-float64(i))) / 65535
		}, true
	case "para":
		kind := int(be.Uint16(b[8:]))
		if kind > 4 || len(b) < 12+4*[]int{1, 3, 4, 5, 7}[kind] {
			return nil, false
		}
		var p [7]float64 // g a b c d e f
		for i := range []int{1, 3, 4, 5, 7}[kind] {
			p[i] = fixed(b[12+4*i:])
		}
		return func(x float64) float64 { return parametric(kind, p, x) }, true
	}
	return nil, false
}

// parametric is one of the five formulas of parametricCurveType.
func parametric(kind int, p [7]float64, x float64) float64 {
	g, a, b, c, d, e, f := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	switch kind {
	case 0:
		return math.Pow(x, g)
	case 1, 2:
		if kind == 1 {
			c = 0
		}
		if a != 0 && x >= -b/a {
			return math.Pow(a*x+b, g) + c
		}
		return c
	case 3:
		e, f = 0, 0
	}
	if x >= d {
		return math.Pow(a*x+b, g) + e
	}
	return c*x + f
}

// encoded is sRGB's curve from light, in steps of 1/16384, to levels.
var encoded = sync.OnceValue(func() *[1<<14 + 1]uint8 {
	table := new([1<<14 + 1]uint8)
	for i := range table {
		x := float64(i) / (1 << 14)
		if x <= 0.0031308 {
			x *= 12.92
		} else {
			x = 1.055*math.Pow(x, 1/2.4) - 0.055
		}
		table[i] = uint8(255*x + 0.5)
	}
	return table
})

// matters says whether some colour becomes another one.
func (c *colours) matters() bool {
	table := encoded()
	for i := range 5 * 5 * 5 {
		p := [4]uint8{uint8(i / 25 * 63), uint8(i / 5 % 5 * 63), uint8(i % 5 * 63)}
		q := p
		c.convert(q[:], table)
		for k := range 3 {
			if d := int(p[k]) - int(q[k]); d < -1 || d > 1 {
				return true
			}
		}
	}
	return false
}

// convert converts pixels of four bytes.
func (c *colours) convert(pix []uint8, table *[1<<14 + 1]uint8) {
	m := &c.matrix
	for i := 0; i+4 <= len(pix); i += 4 {
		p := pix[i : i+4 : i+4]
		r, g, b := c.light[0][p[0]], c.light[1][p[1]], c.light[2][p[2]]
		for k := range 3 {
			v := m[k][0]*r + m[k][1]*g + m[k][2]*b
			p[k] = table[int(min(max(v, 0), 1)*(1<<14)+0.5)]
		}
	}
}

// managed converts a picture by its file's profile; one without keeps its colours.
func managed(img image.Image, format string, data []byte) image.Image {
	if _, inks := img.(*image.CMYK); inks {
		return img
	}
	c, ok := readProfile(profileOf(format, data))
	if !ok {
		return img
	}
	out := opaque(img)
	c.convert(out.Pix, encoded())
	return out
}

// opaque lays a picture on the background, in 8 bits a sample.
func opaque(img image.Image) *image.NRGBA {
	s := pool.Get().(*scratch)
	defer func() {
		s.rows.img = nil
		pool.Put(s)
	}()
	out := new(image.NRGBA)
	s.rows.init(img)
	s.rows.fill(out, image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()), s)
	return out
}
