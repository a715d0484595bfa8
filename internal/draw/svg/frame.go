package svg

import (
	"image"
	"math"
)

// frame is what is seen, in pixels. The rasteriser walks along every line, so that a line of a few
// letters that leads far away would cost what its length is.
type frame struct{ least, most point }

// frameOf is a rectangle with a margin.
func frameOf(r image.Rectangle, margin float64) frame {
	return frame{
		point{float64(r.Min.X) - margin, float64(r.Min.Y) - margin},
		point{float64(r.Max.X) + margin, float64(r.Max.Y) + margin},
	}
}

// sides returns how far inside of each side a point lies, less than 0 outside.
func (f frame) sides(p point) [4]float64 {
	return [4]float64{p.x - f.least.x, f.most.x - p.x, p.y - f.least.y, f.most.y - p.y}
}

// along returns which shares of the way from a to b lie inside; from is above to where none does.
func (f frame) along(a, b point) (from, to float64) {
	to = 1
	sa, sb := f.sides(a), f.sides(b)
	for i := range sa {
		switch {
		case sa[i] < 0 && sb[i] < 0:
			return 1, 0
		case sa[i] < 0:
			from = max(from, sa[i]/(sa[i]-sb[i]))
		case sb[i] < 0:
			to = min(to, sa[i]/(sa[i]-sb[i]))
		}
	}
	return from, to
}

// cut is what of an area is inside, side by side after Sutherland and Hodgman; nil for none.
func (f frame) cut(l []point) []point {
	least := [4]float64{math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(1)}
	most := [4]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1), math.Inf(-1)}
	for _, p := range l {
		for i, d := range f.sides(p) {
			least[i], most[i] = min(least[i], d), max(most[i], d)
		}
	}
	for i := range least {
		if most[i] < 0 {
			return nil
		}
		if least[i] < 0 {
			l = f.cutSide(l, i)
		}
	}
	return l
}

// cutSide is what of an area is inside of one side.
func (f frame) cutSide(l []point, side int) []point {
	out := make([]point, 0, len(l)+2)
	for i, b := range l {
		a := l[(i+len(l)-1)%len(l)]
		da, db := f.sides(a)[side], f.sides(b)[side]
		if (da < 0) != (db < 0) {
			t := da / (da - db)
			out = append(out, point{a.x + (b.x-a.x)*t, a.y + (b.y-a.y)*t})
		}
		if db >= 0 {
			out = append(out, b)
		}
	}
	return out
}
