package picture

import "image"

// MeanGrid writes the mean colours of a grid of side x side equal cells laid over the upright
// picture to dst: R, G, B in 0..255, alpha laid on Background, rows from the top. Each cell's mean
// is over at most fine x fine pixels, evenly spread; orientation is Info.Orientation. len(dst) must
// be side*side, the picture must have a pixel, and side and fine be above 0: else dst is left
// alone.
func MeanGrid(img image.Image, orientation, side, fine int, dst [][3]float64) {
	if side < 1 || fine < 1 || len(dst)%side != 0 || len(dst)/side != side || img == nil || img.Bounds().Empty() {
		return
	}
	s := pool.Get().(*scratch)
	defer func() {
		s.rows.img = nil
		pool.Put(s)
	}()
	s.rows.init(img)
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	nx, ny := side*min(fine, max(1, w/side)), side*min(fine, max(1, h/side))
	s.xs = grow(s.xs, nx)
	for i := range s.xs {
		s.xs[i] = int32((2*i + 1) * w / (2 * nx))
	}
	s.rgb = grow(s.rgb, 3*nx)
	sums := make([][3]float64, side*side)
	for j := range ny {
		s.rows.read((2*j+1)*h/(2*ny), s.xs, s.rgb)
		for i := range nx {
			c := &sums[j*side/ny*side+i*side/nx]
			c[0] += float64(s.rgb[3*i])
			c[1] += float64(s.rgb[3*i+1])
			c[2] += float64(s.rgb[3*i+2])
		}
	}
	samples := float64(nx / side * (ny / side))
	for y := range side {
		for x := range side {
			at := &dst[turn(orientation, x, y, side)]
			for c := range 3 {
				at[c] = sums[y*side+x][c] / samples
			}
		}
	}
}

// turn says where cell (x,y) of a square of side x side lies once an EXIF orientation is undone.
func turn(orientation, x, y, side int) int {
	last := side - 1
	switch orientation {
	case 2:
		x = last - x
	case 3:
		x, y = last-x, last-y
	case 4:
		y = last - y
	case 5:
		x, y = y, x
	case 6:
		x, y = last-y, x
	case 7:
		x, y = last-y, last-x
	case 8:
		x, y = y, last-x
	}
	return y*side + x
}
