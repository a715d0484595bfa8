#!/usr/bin/env bash
# golang.org/x/image v0.47.0 (tiff): the tag FillOrder is ignored, so that fax and scanner files read as
# other pixels.
#
# Behaviour: TIFF 6.0 lets a writer store the bits of each byte from the lowest up (FillOrder, tag 266,
# value 2). Decode neither turns them round nor refuses the file.
# Expected: the same pixels as from the file with FillOrder 1, as libtiff (here through Pillow 13.0.0)
# reads both; or an error.
# Seen 2026-11-30: the first row is 0 4 8 12 16 20 24 28 in both files; with FillOrder 2 Decode gives
# 0 32 16 48 8 40 24 56
# What follows: greys are shuffled and black and white pictures mirrored in groups of eight, in silence.
# Look at tag 266 before decoding.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export GOFLAGS=-mod=mod GOWORK=off
python3 -m venv v && v/bin/pip install pillow==13.0.0
v/bin/python - <<'E'
import struct
from PIL import Image
turned = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
for order in (1, 2):
    pixels = bytes(range(0, 256, 4))
    if order == 2:
        pixels = pixels.translate(turned)
    # size, bits, uncompressed, black is zero, fill order, one strip behind the header
    tags = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (266, order), (273, 8), (277, 1), (278, 8), (279, 64)]
    directory = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    name = f"fillorder{order}.tif"
    with open(name, "wb") as f:
        f.write(b"II*\0" + struct.pack("<I", 72) + pixels + struct.pack("<H", len(tags)) + directory + bytes(4))
    read = Image.open(name)
    print("Pillow ", name, [read.getpixel((x, 0)) for x in range(8)])
E
cat > main.go <<'E'
package main

import (
	"fmt"
	"image"
	"log"
	"os"

	"golang.org/x/image/tiff"
)

func main() {
	for _, c := range []struct{ name, seen string }{
		{"fillorder1.tif", "[0 4 8 12 16 20 24 28]"},
		{"fillorder2.tif", "[0 32 16 48 8 40 24 56]"},
	} {
		f, err := os.Open(c.name)
		if err != nil {
			log.Fatal(err)
		}
		m, err := tiff.Decode(f)
		if err != nil {
			log.Fatal(err)
		}
		row := m.(*image.Gray).Pix[:8]
		fmt.Println("x/image", c.name, row)
		if fmt.Sprint(row) != c.seen {
			log.Fatalf("the behaviour has changed: %s was seen before", c.seen)
		}
	}
}
E
go mod init finding 2>/dev/null
go get golang.org/x/image@v0.47.0 2>/dev/null
go run .
