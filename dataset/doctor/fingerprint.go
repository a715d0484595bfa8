package doctor

import (
	"image"
	"math"
	"slices"

	"github.com/c236555e/rehead/dataset/picture"
)

// fingerprint is what near duplicates are found by: a hash that survives another compression,
// another size and small cuts, and small pictures to hold the finds against. It is of the upright
// picture, squashed.
type fingerprint struct {
	hash   uint64 // perceptual hash: signs of the lowest 8x8 cosines against their median
	mirror uint64 // of the picture flipped left to right
	luma   [side * side]uint8
	chroma [2][16]uint8       // Cb and Cr on a grid of 4x4
	detail float64            // standard deviation of luma, 0..128
	shape  [grid * grid]uint8 // luma, stretched so that the least is 0 and the largest 255
}

const (
	grid = 32 // the hash is computed on grid x grid cells
	side = 16 // the tiny picture has side x side
	fine = 8  // samples a cell has at most in each direction
)

// featureless is the detail below which a picture shows nothing that a hash could be made of.
const featureless = 3

// cosines[u][x] = cos((2x+1)u*pi/(2*grid)), the basis of the DCT.
var cosines = func() (t [8][grid]float64) {
	for u := range t {
		for x := range t[u] {
			t[u][x] = math.Cos(float64(2*x+1) * float64(u) * math.Pi / (2 * grid))
		}
	}
	return t
}()

// newFingerprint reads at most 256 x 256 pixels of the picture, evenly spread.
func newFingerprint(img image.Image, orientation int) fingerprint {
	var cells [grid * grid][3]float64
	picture.MeanGrid(img, orientation, grid, fine, cells[:])
	return fingerprintOf(&cells)
}

func fingerprintOf(cells *[grid * grid][3]float64) (f fingerprint) {
	var luma [grid * grid]float64
	var chroma [2][16]float64
	var small [side * side]float64
	for y := range grid {
		for x := range grid {
			c := cells[y*grid+x]
			l := 0.299*c[0] + 0.587*c[1] + 0.114*c[2]
			luma[y*grid+x] = l
			small[y/2*side+x/2] += l / 4
			at := y/8*4 + x/8
			chroma[0][at] += (c[2] - l) * 0.564 / 64
			chroma[1][at] += (c[0] - l) * 0.713 / 64
		}
	}
	var mean, square float64
	for i, v := range small {
		f.luma[i] = level(v)
		mean += v / float64(len(small))
	}
	for _, v := range small {
		square += (v - mean) * (v - mean) / float64(len(small))
	}
	f.detail = math.Sqrt(square)
	for c := range chroma {
		for i, v := range chroma[c] {
			f.chroma[c][i] = level(v + 128)
		}
	}
	f.hash, f.mirror = hashOf(&luma)
	least, most := slices.Min(luma[:]), slices.Max(luma[:])
	for i, v := range luma {
		f.shape[i] = level((v - least) * 255 / max(most-least, 1e-9))
	}
	return f
}

func level(v float64) uint8 { return uint8(math.Round(min(max(v, 0), 255))) }

// hashOf is the perceptual hash (Zauner, "Implementation and Benchmarking of Perceptual Image Hash
// Functions", 2010) of the picture and of its mirror image, in which the cosines of odd horizontal
// frequency change their sign.
func hashOf(luma *[grid * grid]float64) (hash, mirror uint64) {
	var across [grid][8]float64
	for y := range grid {
		for u := range 8 {
			for x := range grid {
				across[y][u] += luma[y*grid+x] * cosines[u][x]
			}
		}
	}
	var plain, flipped [64]float64
	for v := range 8 {
		for u := range 8 {
			sum := 0.0
			for y := range grid {
				sum += across[y][u] * cosines[v][y]
			}
			if u+v == 0 {
				sum = 0 // brightness
			}
			plain[v*8+u], flipped[v*8+u] = sum, sum
			if u%2 == 1 {
				flipped[v*8+u] = -sum
			}
		}
	}
	return signs(plain), signs(flipped)
}

func signs(values [64]float64) (hash uint64) {
	sorted := values
	slices.Sort(sorted[:])
	median := (sorted[31] + sorted[32]) / 2
	for i, v := range values {
		if v > median {
			hash |= 1 << i
		}
	}
	return hash
}

// The chroma of pictures whose colours are the same, and of one that has colours, of 255.
const (
	maxTint   = 0.2 // 1 - cosine of the chroma's: the exposure and borders that are white or black change nothing
	leastTint = 3   // root mean square: less passes for grey
)

// tinted tells whether the colours of a window and those of q, or of its mirror image, are about
// the same, or one of the pictures is grey.
func (p *fingerprint) tinted(w window, q *fingerprint, mirrored bool) bool {
	var pp, qq, pq float64
	for i := range 16 {
		at, across, down := i, float64(i%4)/4-0.375, float64(i/4)/4-0.375
		if mirrored {
			at = i/4*4 + 3 - i%4
		}
		for c := range p.chroma {
			x := p.chromaAt(c, (w[windowX]+w[windowWidth]*across)*4-0.5, (w[windowY]+w[windowHeight]*down)*4-0.5)
			y := float64(q.chroma[c][at]) - 128
			pp, qq, pq = pp+x*x, qq+y*y, pq+x*y
		}
	}
	return min(pp, qq) < 32*leastTint*leastTint || pq >= (1-maxTint)*math.Sqrt(pp*qq)
}

// chromaAt is the chroma at a point, in cells, less its middle; bilinear.
func (p *fingerprint) chromaAt(c int, x, y float64) (sum float64) {
	x, y = min(max(x, 0), 3), min(max(y, 0), 3)
	for i, v := range p.chroma[c] {
		part := max(0, 1-math.Abs(x-float64(i%4))) * max(0, 1-math.Abs(y-float64(i/4)))
		sum += part * (float64(v) - 128)
	}
	return sum
}
