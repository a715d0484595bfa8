#!/usr/bin/env bash
# Go 1.26.8, image/jpeg: refuses colour samplings that the JPEG standard allows and libjpeg reads.
#
# Behaviour: ITU-T T.81 lets each component have sampling factors of 1 to 4 either way. image/jpeg takes
# those that image.YCbCr has a name for, with both chroma planes alike, and answers others with
# "unsupported JPEG feature: luma/chroma subsampling ratio".
# Expected: the flat colour that libjpeg-turbo (here through Pillow 13.0.0) shows for all of them.
# Seen 2026-11-30, luma_Cb_Cr: 1x1, 2x1, 1x2, 2x2, 4x1 and 4x2 luma over 1x1 chroma are read; refused
# are 3x1_1x1_1x1, 2x2_1x1_1x2, 2x2_2x1_1x1, 1x1_2x2_2x2 and 1x4_1x1_1x1
# What follows: a few pictures in every large crawl cannot be opened, although they are sound. The error
# is about the decoder, not the file: don't drop them as damaged.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export GOFLAGS=-mod=mod GOWORK=off GOTOOLCHAIN=go1.26.8
python3 -m venv v && v/bin/pip install pillow==13.0.0
cat > make.py <<'E'
# A baseline JPEG of one MCU in one flat colour: each component's first block has a DC difference, all
# others none.
import struct, sys
from PIL import Image

def segment(marker, body):
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body

def flat(factors, levels):
    width, height = 8 * max(h for h, v in factors), 8 * max(v for h, v in factors)
    out = b"\xff\xd8" + segment(0xDB, bytes([0]) + bytes([8] * 64))
    parts = b"".join(bytes((i + 1, h << 4 | v, 0)) for i, (h, v) in enumerate(factors))
    out += segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + parts)
    out += segment(0xC4, bytes([0x00, 0, 0, 0, 12] + [0] * 12) + bytes(range(12)))  # DC: 4 bits a category
    out += segment(0xC4, bytes([0x10, 1] + [0] * 15) + bytes(1))  # AC: end of block is one 0
    out += segment(0xDA, bytes((3, 1, 0, 2, 0, 3, 0, 0, 63, 0)))
    bits = ""
    for (h, v), level in zip(factors, levels):
        size = abs(level).bit_length()
        value = level if level > 0 else level + (1 << size) - 1
        bits += f"{size:04b}{value:0{size}b}0" + "00000" * (h * v - 1)
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return out + scan.replace(b"\xff", b"\xff\x00") + b"\xff\xd9"

for case in sys.argv[1:]:
    factors = [tuple(map(int, part.split("x"))) for part in case.split("_")]
    open(case + ".jpg", "wb").write(flat(factors, (20, -30, 40)))
    read = Image.open(case + ".jpg").convert("RGB")
    print("Pillow    ", case, read.size, read.getcolors())
    assert len(read.getcolors()) == 1
E
cat > main.go <<'E'
package main

import (
	"fmt"
	"image/jpeg"
	"log"
	"os"
)

func main() {
	want, refused := os.Args[1], 0
	for _, name := range os.Args[2:] {
		f, err := os.Open(name + ".jpg")
		if err != nil {
			log.Fatal(err)
		}
		m, err := jpeg.Decode(f)
		if err != nil {
			refused++
			fmt.Println("image/jpeg", name, err)
			continue
		}
		r, g, b, _ := m.At(0, 0).RGBA()
		fmt.Println("image/jpeg", name, m.Bounds().Size(), r>>8, g>>8, b>>8)
	}
	if want == "read" && refused > 0 || want == "refused" && refused != len(os.Args)-2 {
		log.Fatalf("the behaviour has changed: all were %s before", want)
	}
}
E
go mod init finding 2>/dev/null
common="1x1_1x1_1x1 2x1_1x1_1x1 1x2_1x1_1x1 2x2_1x1_1x1 4x1_1x1_1x1 4x2_1x1_1x1"
other="3x1_1x1_1x1 2x2_1x1_1x2 2x2_2x1_1x1 1x1_2x2_2x2 1x4_1x1_1x1"
v/bin/python make.py $common $other
go build -o decode .
./decode read $common
./decode refused $other
