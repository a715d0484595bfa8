package picture

import (
	"compress/lzw"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
)

// gifFrame is the first frame of a GIF.
type gifFrame struct {
	canvas     image.Rectangle // as large as the header says, or as the frame needs
	place      image.Rectangle
	palette    color.Palette
	interlaced bool
	width      int    // bits of a code for a pixel
	blocks     []byte // of its data
}

// gifReader walks a GIF's blocks.
type gifReader struct {
	rest  []byte
	frame gifFrame
}

// take returns the next n bytes; nil where there are fewer.
func (g *gifReader) take(n int) []byte {
	if len(g.rest) < n {
		g.rest = nil
		return nil
	}
	head := g.rest[:n]
	g.rest = g.rest[n:]
	return head
}

// table reads the palette that flags announce.
func (g *gifReader) table(flags byte) bool {
	if flags&0x80 == 0 {
		return true
	}
	n := 2 << (flags & 7)
	entries := g.take(3 * n)
	g.frame.palette = make(color.Palette, 256)
	for i := range g.frame.palette {
		g.frame.palette[i] = color.RGBA{A: 255}
		if 3*i < len(entries) {
			g.frame.palette[i] = color.RGBA{R: entries[3*i], G: entries[3*i+1], B: entries[3*i+2], A: 255}
		}
	}
	return entries != nil
}

// readGIF walks a GIF's blocks up to the first frame's data (GIF 89a, sections 18 to 26).
func readGIF(data []byte) (gifFrame, error) {
	g := gifReader{rest: data[min(6, len(data)):]}
	screen := g.take(7)
	if screen == nil {
		return g.frame, io.ErrUnexpectedEOF
	}
	g.frame.canvas = image.Rect(0, 0, u16(screen), u16(screen[2:]))
	g.frame.palette = grey256() // of a file without a palette
	transparent := -1
	if !g.table(screen[4]) {
		return g.frame, io.ErrUnexpectedEOF
	}
	for len(g.rest) > 1 {
		switch kind := g.take(1)[0]; kind {
		case 0x2c:
			err := g.picture(transparent)
			return g.frame, err
		case 0x21:
			if e := g.rest; e[0] == 0xf9 && len(e) >= 7 && e[1] == 4 && e[2]&1 != 0 {
				transparent = int(e[5])
			}
			for g.take(1); len(g.rest) > 0 && g.rest[0] != 0; {
				g.take(min(1+int(g.rest[0]), len(g.rest)))
			}
			g.take(1)
		case 0x3b:
			return g.frame, errors.New("it has no picture")
		case 0: // a terminator too many
		default:
			return g.frame, fmt.Errorf("an unknown block %#x", kind)
		}
	}
	return g.frame, io.ErrUnexpectedEOF
}

func u16(b []byte) int { return int(b[0]) | int(b[1])<<8 }

// picture reads what comes before a frame's data.
func (g *gifReader) picture(transparent int) error {
	f := &g.frame
	d := g.take(9)
	if d == nil || !g.table(d[8]) {
		return io.ErrUnexpectedEOF
	}
	width := g.take(1)
	if width == nil {
		return io.ErrUnexpectedEOF
	}
	f.place = image.Rect(u16(d), u16(d[2:]), u16(d)+u16(d[4:]), u16(d[2:])+u16(d[6:]))
	if f.interlaced, f.width = d[8]&0x40 != 0, int(width[0]); f.width < 2 || f.width > 8 {
		return fmt.Errorf("codes of %d bits, want 2..8", f.width)
	}
	if transparent >= 0 {
		f.palette[transparent] = color.RGBA{}
	}
	f.canvas, f.blocks = f.canvas.Union(f.place), g.rest
	return nil
}

func grey256() color.Palette {
	p := make(color.Palette, 256)
	for i := range p {
		p[i] = color.RGBA{R: uint8(i), G: uint8(i), B: uint8(i), A: 255}
	}
	return p
}

func gifConfig(data []byte) (width, height int, err error) {
	f, err := readGIF(data)
	return f.canvas.Dx(), f.canvas.Dy(), err
}

// subBlocks reads what GIF's blocks of at most 255 bytes hold.
type subBlocks struct {
	ctx  context.Context
	rest []byte
	left int
}

func (b *subBlocks) ReadByte() (byte, error) {
	if b.left == 0 {
		if err := b.ctx.Err(); err != nil {
			return 0, err
		}
		if len(b.rest) == 0 || b.rest[0] == 0 {
			return 0, io.EOF
		}
		b.left, b.rest = int(b.rest[0]), b.rest[1:]
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	c := b.rest[0]
	b.rest, b.left = b.rest[1:], b.left-1
	return c, nil
}

func (b *subBlocks) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := b.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

// decodeGIF decodes the first frame and, where it is smaller than the canvas, lays it on a
// transparent one. Data behind the last pixel do not count.
func decodeGIF(ctx context.Context, data []byte) (image.Image, error) {
	f, err := readGIF(data)
	if err != nil {
		return nil, err
	}
	frame := image.NewPaletted(f.place, f.palette)
	in := lzw.NewReader(&subBlocks{ctx: ctx, rest: f.blocks}, lzw.LSB, f.width)
	defer func() { _ = in.Close() }()
	row := func(y int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := io.ReadFull(in, frame.Pix[y*frame.Stride:][:frame.Stride])
		return err
	}
	passes := [][2]int{{0, 1}}
	if f.interlaced {
		passes = [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
	}
	for _, pass := range passes {
		for y := pass[0]; y < f.place.Dy(); y += pass[1] {
			if err := row(y); err != nil {
				return nil, err
			}
		}
	}
	if f.place == f.canvas {
		return frame, nil
	}
	out := image.NewNRGBA(f.canvas)
	draw.Draw(out, f.place, frame, f.place.Min, draw.Src)
	return out, nil
}
