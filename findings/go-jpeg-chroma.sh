#!/usr/bin/env bash
# Go 1.26.8, image/jpeg: colour edges of ordinary 4:2:0 photographs differ from libjpeg's by up to 131
# levels.
#
# Behaviour: image/jpeg hands out the halved chroma planes, and RGBA() repeats each sample over its 2x2
# pixels. libjpeg-turbo, and with it Pillow 13.0.0, interpolates between neighbours.
# Expected: about one level of difference between two decoders of the same file, as in grey pictures.
# Seen 2026-11-30: grey differs by at most 1; 4:2:0 by at most 131, on average by 7.35
# What follows: a network that was trained on one decoder's pixels is served another's; drawings and
# small pictures suffer most. Interpolate chroma as libjpeg does before converting to RGB.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export GOFLAGS=-mod=mod GOWORK=off GOTOOLCHAIN=go1.26.8
python3 -m venv v && v/bin/pip install pillow==13.0.0
v/bin/python - <<'E'
from PIL import Image, ImageDraw
picture = Image.new("RGB", (64, 64), "red")
draw = ImageDraw.Draw(picture)
draw.ellipse((9, 9, 53, 53), fill="blue")
draw.line((0, 63, 63, 3), fill="lime", width=3)
picture.save("colour.jpg", quality=95, subsampling="4:2:0")
picture.convert("L").save("grey.jpg", quality=95)
for name in ("colour", "grey"):
    open(name + ".rgb", "wb").write(Image.open(name + ".jpg").convert("RGB").tobytes())
E
cat > main.go <<'E'
package main

import (
	"fmt"
	"image/jpeg"
	"log"
	"math"
	"os"
)

// compare returns the largest and the mean difference of the channels.
func compare(name string) (largest int, mean float64) {
	f, err := os.Open(name + ".jpg")
	if err != nil {
		log.Fatal(err)
	}
	m, err := jpeg.Decode(f)
	if err != nil {
		log.Fatal(err)
	}
	ref, err := os.ReadFile(name + ".rgb")
	if err != nil {
		log.Fatal(err)
	}
	sum, i := 0, 0
	for y := range 64 {
		for x := range 64 {
			r, g, b, _ := m.At(x, y).RGBA()
			for _, c := range []uint32{r, g, b} {
				diff := max(int(c>>8)-int(ref[i]), int(ref[i])-int(c>>8))
				largest, sum, i = max(largest, diff), sum+diff, i+1
			}
		}
	}
	return largest, float64(sum) / float64(len(ref))
}

func main() {
	grey, _ := compare("grey")
	colour, mean := compare("colour")
	fmt.Println("grey: image/jpeg and Pillow differ by at most", grey)
	fmt.Printf("4:2:0: they differ by at most %d, on average by %.2f\n", colour, mean)
	if grey != 1 || colour != 131 || !(math.Abs(mean-7.35) < 0.005) {
		log.Fatal("the behaviour has changed")
	}
}
E
go mod init finding 2>/dev/null
go run .
