package inception

import "image"

// Blend lays the map of one label over dst, which holds the whole picture at any size, turned as
// the recipe sees it: the picture fades to grey, and what speaks for the label glows on it, from
// violet over orange to yellow. Full strength is the strongest cell of all the maps of x, so that
// the maps of one picture can be compared. What speaks against the label, and what the network did
// not see, stays grey.
func (x *Explanation) Blend(dst *image.NRGBA, m *Map) {
	if dst == nil || len(dst.Pix) < dst.Stride*(dst.Rect.Dy()-1)+4*dst.Rect.Dx() || dst.Stride < 4*dst.Rect.Dx() {
		return // no picture
	}
	b := dst.Bounds()
	strongest := x.strongest()
	values := x.Sample(m, b.Dx(), b.Dy())
	for y, row := range values {
		line := dst.Pix[y*dst.Stride:][:4*len(row)]
		for i, v := range row {
			p := line[4*i : 4*i+4 : 4*i+4]
			grey := (2126*float64(p[0]) + 7152*float64(p[1]) + 722*float64(p[2])) / 10000 // ITU-R BT.709
			t := 0.0
			if v > 0 && strongest > 0 {
				t = min(float64(v)/strongest, 1)
			}
			glow, alpha := heat(t), 0.75*min(1, 1.5*t)
			for c := range 3 {
				faded := 0.4*float64(p[c]) + 0.6*grey
				p[c] = uint8(faded*(1-alpha) + glow[c]*alpha + 0.5)
			}
		}
	}
}

// strongest is the largest value of all the maps; 0 if none speaks for its label anywhere.
func (x *Explanation) strongest() float64 {
	top := float32(0)
	for i := range x.Maps {
		for _, row := range x.Maps[i].Cells {
			for _, v := range row {
				top = max(top, v)
			}
		}
	}
	return float64(top)
}

// heat is the colour of a strength, 0..1: lighter as it grows, so that it reads in grey too.
func heat(t float64) [3]float64 {
	stops := [...][3]float64{{58, 12, 110}, {150, 30, 130}, {228, 80, 60}, {252, 165, 30}, {255, 245, 150}}
	u := t * float64(len(stops)-1)
	i := min(int(u), len(stops)-2)
	u -= float64(i)
	var c [3]float64
	for k := range c {
		c[k] = stops[i][k]*(1-u) + stops[i+1][k]*u
	}
	return c
}
