package doctor

import (
	"image"
	"math"
	"math/bits"
	"slices"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/unionfind"
)

// fingerprint is what near duplicates are found by: a hash that survives another compression,
// another size and small cuts, and a tiny picture to hold the finds against. It is of the upright
// picture, squashed.
type fingerprint struct {
	hash   uint64 // perceptual hash: signs of the lowest 8x8 cosines against their median
	mirror uint64 // of the picture flipped left to right
	luma   [side * side]uint8
	chroma [2][16]uint8 // Cb and Cr on a grid of 4x4
	detail float64      // standard deviation of luma, 0..128
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

// What counts as nearly the same picture. Measured on photographs: TestNearDuplicates.
const (
	maxBits    = 10   // bits in which the hashes may differ
	maxUnlike  = 0.06 // 1 - correlation of the tiny pictures' luma
	maxShift   = 48   // difference of mean luma, of 255
	maxCropped = 0.1  // the same with bottlenecks that agree, and one perhaps the middle of the other
	maxTint    = 7    // mean difference of chroma, of 255
)

// unlike holds two tiny pictures against each other: 1 - correlation of luma, 0 for equal pictures;
// ok when they pass for one picture. With mirrored, b is flipped left to right.
func (a *fingerprint) unlike(b *fingerprint, mirrored bool) (distance float64, ok bool) {
	other := b.luma
	if mirrored {
		for y := range side {
			for x := range side {
				other[y*side+x] = b.luma[y*side+side-1-x]
			}
		}
	}
	distance = apart(&a.luma, &other)
	return distance, distance <= maxUnlike && a.tinted(b, mirrored)
}

// apart is 1 - correlation of two tiny pictures; 1 when either shows nothing or one is much
// brighter.
func apart(a, b *[side * side]uint8) float64 {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		va, vb := float64(a[i]), float64(b[i])
		sa, sb, saa, sbb, sab = sa+va, sb+vb, saa+va*va, sbb+vb*vb, sab+va*vb
	}
	const n = side * side
	spread := (saa - sa*sa/n) * (sbb - sb*sb/n)
	if !(spread > 0) || math.Abs(sa-sb)/n > maxShift {
		return 1
	}
	return math.Max(0, 1-(sab-sa*sb/n)/math.Sqrt(spread))
}

// tinted tells whether the colours are about the same.
func (a *fingerprint) tinted(b *fingerprint, mirrored bool) bool {
	tint := 0.0
	for c := range a.chroma {
		for i := range a.chroma[c] {
			at := i
			if mirrored {
				at = i/4*4 + 3 - i%4
			}
			tint += math.Abs(float64(a.chroma[c][i]) - float64(b.chroma[c][at]))
		}
	}
	return tint/32 <= maxTint
}

// cropped is unlike for pictures of which one may be the middle of the other: the least distance
// over some cuts.
func (a *fingerprint) cropped(b *fingerprint) (distance float64, ok bool) {
	distance = apart(&a.luma, &b.luma)
	for _, part := range [...]float64{0.94, 0.88, 0.82} {
		inA, inB := middle(&a.luma, part), middle(&b.luma, part)
		distance = min(distance, apart(&inA, &b.luma), apart(&a.luma, &inB))
	}
	return distance, distance <= maxCropped && a.tinted(b, false)
}

// middle enlarges the middle of a tiny picture to the whole.
func middle(luma *[side * side]uint8, part float64) (out [side * side]uint8) {
	for y := range side {
		for x := range side {
			u := (float64(x)-(side-1)/2.0)*part + (side-1)/2.0
			v := (float64(y)-(side-1)/2.0)*part + (side-1)/2.0
			i, j := int(u), int(v)
			fu, fv := u-float64(i), v-float64(j)
			at := func(i, j int) float64 { return float64(luma[min(j, side-1)*side+min(i, side-1)]) }
			top, bottom := at(i, j)+fu*(at(i+1, j)-at(i, j)), at(i, j+1)+fu*(at(i+1, j+1)-at(i, j+1))
			out[y*side+x] = level(top + fv*(bottom-top))
		}
	}
	return out
}

// pair is two pictures, i < j, that are nearly the same.
type pair struct {
	i, j     int
	distance float64 // 0..1
	mirrored bool
}

const (
	bands      = 4    // pieces of 16 bits that a hash is found by
	bandRadius = 2    // bits in which a piece may differ: hashes that differ in at most 11 bits agree so in one piece
	maxTried   = 4096 // candidates a picture is held against at most
)

// nearPairs finds pictures that are nearly the same among those of use. A picture that matches
// several of one group is paired with one of them. The work grows with the number of pictures, not
// with its square.
func nearPairs(prints []fingerprint, use func(i int) bool) []pair {
	var tables [bands][1 << 16][]int32
	masks := []uint16{0}
	for a := range 16 {
		masks = append(masks, 1<<a)
		for b := range a {
			masks = append(masks, 1<<a|1<<b)
		}
	}
	groups := unionfind.New(len(prints))
	tried := make([]int32, len(prints)) // the picture that was last held against this one
	var out []pair
	for i := range prints {
		p := &prints[i]
		if !use(i) || p.detail < featureless {
			continue
		}
		count := 0
		for flip, hash := range [2]uint64{p.hash, p.mirror} {
			for band := range bands {
				piece := uint16(hash >> (16 * band))
				for _, mask := range masks {
					for _, j := range tables[band][piece^mask] {
						stamp := int32(2*i + flip + 1)
						if tried[j] == stamp || count == maxTried {
							continue
						}
						tried[j] = stamp
						if bits.OnesCount64(hash^prints[j].hash) > maxBits || groups.Find(i) == groups.Find(int(j)) {
							continue
						}
						count++
						if d, ok := p.unlike(&prints[j], flip == 1); ok {
							out = append(out, pair{i: int(j), j: i, distance: d, mirrored: flip == 1})
							groups.Union(i, int(j))
						}
					}
				}
			}
		}
		for band := range bands {
			piece := uint16(p.hash >> (16 * band))
			tables[band][piece] = append(tables[band][piece], int32(i))
		}
	}
	return out
}
