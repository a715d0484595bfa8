package picture

import (
	"bytes"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture/internal/raster"
)

// peerDistance is how many levels of 255 a picture may be off Pillow's: see docs/pictures.md.
var peerDistance = map[string]int{"jpeg": 4, "webp": 1, "tiff": 4, "png": 0, "gif": 0, "bmp": 0}

// A JPEG whose bits were changed may have coefficients that no encoder writes, for which the
// inverse DCTs of libjpeg and image/jpeg differ: within one MCU of 16x16 pixels, by so many levels.
const (
	damagedSamples  = 3 * 16 * 16
	damagedDistance = 32
)

// refusedAlike are reasons for which pictures are refused that Pillow and sharp show, each of them
// true: what is refused by name, and what lacks pixels or has a wrong checksum of pixels, of which
// they say nothing.
var refusedAlike = []string{"compression 2 is not supported", "arithmetic coding is not supported", "invalid checksum",
	"a scan's data end too early", "a scan without its tables", "the file is truncated", "the first frame holds no picture"}

// TestPeers holds Decode to Pillow and sharp on the pictures that testdata/peers/make.py made and
// on those of other folders: `.ci/pictures` runs it. Of what both read, the pixels are Pillow's
// within peerDistance.
func TestPeers(t *testing.T) {
	dir := os.Getenv("REHEAD_PEERS")
	if dir == "" {
		t.Skip("REHEAD_PEERS is not set: .ci/pictures makes the pictures and runs this")
	}
	names, pillow, sharp := linesOf(t, dir, "all.txt"), linesOf(t, dir, "pillow.tsv"), linesOf(t, dir, "sharp.tsv")
	if len(names) == 0 || len(pillow) != len(names) || len(sharp) != len(names) {
		t.Fatalf("got %d pictures, %d lines of Pillow, %d of sharp", len(names), len(pillow), len(sharp))
	}
	both, more, farthest, refused := 0, 0, map[string]int{}, map[string]int{}
	for i, path := range names {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		img, info, err := Decode(data, Limits{})
		switch read := strings.HasPrefix(pillow[i], "ok ") && strings.HasPrefix(sharp[i], "ok "); {
		case !read && err == nil:
			more++
			continue
		case !read:
			continue
		}
		both++
		if err != nil {
			at := slices.IndexFunc(refusedAlike, func(reason string) bool { return strings.Contains(err.Error(), reason) })
			if at < 0 {
				t.Errorf("%s: %v; Pillow and sharp read it", filepath.Base(path), err)
				continue
			}
			refused[refusedAlike[at]]++
			continue
		}
		if turned := fmt.Sprintf("ok %d %d", info.Height, info.Width); info.Orientation > 4 && turned == pillow[i] {
			continue // Pillow turns a TIFF itself
		}
		want, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.rgb", i)))
		if err != nil {
			t.Fatal(err)
		}
		if size := fmt.Sprintf("ok %d %d", info.Width, info.Height); size != pillow[i] {
			t.Errorf("%s: got %s, Pillow %s", filepath.Base(path), size, pillow[i])
			continue
		}
		most, beyond := peerDistances(img, info.Format, want)
		if most > peerDistance[info.Format] &&
			!(info.Format == "jpeg" && most <= damagedDistance && beyond <= damagedSamples) {
			t.Errorf("%s: %d levels off Pillow's pixels, %d samples more than %d", filepath.Base(path), most, beyond,
				peerDistance[info.Format])
		}
		farthest[info.Format] = max(farthest[info.Format], most)
	}
	t.Logf("%d pictures, %d read by Pillow and sharp; levels off Pillow at most: %v; refused with a true reason: %v; %d read "+
		"here that one of them refuses", len(names), both, farthest, refused, more)
}

// peerDistances is how far the samples are off want, RGB, at most, and how many are farther off
// than they may be. Where a GIF shows nothing Pillow has its background, browsers and sharp none.
func peerDistances(img image.Image, format string, want []byte) (most, beyond int) {
	r := rows{raster: raster.New()}
	r.init(img)
	b := img.Bounds()
	xs, row := make([]int32, b.Dx()), make([]uint8, 3*b.Dx())
	for x := range xs {
		xs[x] = int32(x)
	}
	for y := range b.Dy() {
		r.read(y, xs, row)
		want := want[y*len(row):][:len(row)]
		if bytes.Equal(row, want) {
			continue
		}
		for k, v := range row {
			if format == "gif" {
				if _, _, _, alpha := img.At(b.Min.X+k/3, b.Min.Y+y).RGBA(); alpha == 0 {
					continue
				}
			}
			d := max(int(v)-int(want[k]), int(want[k])-int(v))
			if most = max(most, d); d > peerDistance[format] {
				beyond++
			}
		}
	}
	return most, beyond
}

func linesOf(t *testing.T, dir, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n")
}
