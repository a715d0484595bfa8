#!/usr/bin/env bash
# Go 1.26.8, image/gif: Decode returns the first frame's rectangle, not the picture that DecodeConfig
# announced.
#
# Behaviour: a GIF's first frame may cover only a part of the canvas. DecodeConfig gives the canvas,
# Decode an image whose bounds are the frame's: smaller, and beginning elsewhere than at (0, 0). No part
# of the background is filled in.
# Expected: an image as large as DecodeConfig said, as Pillow 13.0.0 returns.
# Seen 2026-11-30: DecodeConfig 16x12, Decode (4,2)-(12,10); Pillow (16, 12)
# What follows: a resize of Decode's image stretches the frame over the whole input, and code that reads
# pixel (0, 0) gets the palette's first colour, whatever it is. Draw the frame on a canvas first.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export GOFLAGS=-mod=mod GOWORK=off GOTOOLCHAIN=go1.26.8
cat > main.go <<'E'
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"log"
	"os"
)

func main() {
	p := color.Palette{color.White, color.RGBA{R: 255, A: 255}}
	frame := image.NewPaletted(image.Rect(4, 2, 12, 10), p)
	for i := range frame.Pix {
		frame.Pix[i] = 1
	}
	var b bytes.Buffer
	canvas := image.Config{ColorModel: p, Width: 16, Height: 12}
	whole := &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: canvas}
	if err := gif.EncodeAll(&b, whole); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("part.gif", b.Bytes(), 0o600); err != nil {
		log.Fatal(err)
	}
	c, err := gif.DecodeConfig(bytes.NewReader(b.Bytes()))
	if err != nil {
		log.Fatal(err)
	}
	m, err := gif.Decode(bytes.NewReader(b.Bytes()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("DecodeConfig %dx%d, Decode %v, pixel (0, 0) %v\n", c.Width, c.Height, m.Bounds(), m.At(0, 0))
	if c.Width != 16 || c.Height != 12 || m.Bounds() != image.Rect(4, 2, 12, 10) {
		log.Fatal("the behaviour has changed")
	}
}
E
go mod init finding 2>/dev/null
go run .
python3 -m venv v && v/bin/pip install pillow==13.0.0
v/bin/python -c 'from PIL import Image; s = Image.open("part.gif").size; print("Pillow", s); assert s == (16, 12)'
