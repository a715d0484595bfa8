#!/usr/bin/env bash
# golang.org/x/image v0.47.0 (webp): lossy WebP comes out greyer than it is, white as 235, black as 16.
#
# Behaviour: lossy WebP stores BT.601 in the studio range (16 to 235). Decode hands the planes over as
# an image.YCbCr, which by its definition is JPEG's full range, so RGBA() and every conversion are off.
# Lossless WebP is right.
# Expected: the colours that libwebp (here through Pillow 13.0.0) reads.
# Seen 2026-11-30: white 235 235 235, black 16 16 16, red 239 15 14; Pillow 255, 0 and 255 1 0
# What follows: a classifier that reads WebP with it sees pictures of 86 % contrast, with no error. Take
# the planes and convert them by the studio-range formula.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export GOFLAGS=-mod=mod GOWORK=off
python3 -m venv v && v/bin/pip install pillow==13.0.0
v/bin/python - <<'E'
from PIL import Image
picture = Image.new("RGB", (48, 16), "white")
picture.paste((0, 0, 0), (16, 0, 32, 16))
picture.paste((255, 0, 0), (32, 0, 48, 16))
for name, options in (("lossy", {"quality": 95}), ("lossless", {"lossless": True})):
    picture.save(name + ".webp", **options)
    read = Image.open(name + ".webp").convert("RGB")
    print("Pillow", name, [read.getpixel((x, 8)) for x in (8, 24, 40)])
E
cat > main.go <<'E'
package main

import (
	"fmt"
	"log"
	"os"

	"golang.org/x/image/webp"
)

func main() {
	for _, c := range []struct{ name, seen string }{
		{"lossless", "[[255 255 255] [0 0 0] [255 0 0]]"},
		{"lossy", "[[235 235 235] [16 16 16] [239 15 14]]"},
	} {
		f, err := os.Open(c.name + ".webp")
		if err != nil {
			log.Fatal(err)
		}
		m, err := webp.Decode(f)
		if err != nil {
			log.Fatal(err)
		}
		var got [3][3]uint32
		for i, x := range []int{8, 24, 40} {
			r, g, b, _ := m.At(x, 8).RGBA()
			got[i] = [3]uint32{r >> 8, g >> 8, b >> 8}
		}
		fmt.Printf("x/image %s %T %v\n", c.name, m, got)
		if fmt.Sprint(got) != c.seen {
			log.Fatalf("the behaviour has changed: %s was seen before", c.seen)
		}
	}
}
E
go mod init finding 2>/dev/null
go get golang.org/x/image@v0.47.0 2>/dev/null
go run .
