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

// readGIF walks a GIF's blocks up to the first frame's data (GIF 89a, sections 18 to 26).
func readGIF(data []byte) (f gifFrame, err error) {
	if len(data) < 13 {
		return f, io.ErrUnexpectedEOF
	}
	u16 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 }
	f.canvas = image.Rect(0, 0, u16(data[6:]), u16(data[8:]))
	f.palette = grey256() // of a file without a palette
	rest, transparent := data[13:], -1
	table := func(flags byte) bool {
		if flags&0x80 == 0 {
			return true
		}
		n := 2 << (flags & 7)
		if len(rest) < 3*n {
			return false
		}
		f.palette = make(color.Palette, 256)
		for i := range f.palette {
			f.palette[i] = color.RGBA{A: 255}
			if i < n {
				f.palette[i] = color.RGBA{R: rest[3*i], G: rest[3*i+1], B: rest[3*i+2], A: 255}
			}
		}
		rest = rest[3*n:]
		return true
	}
	if !table(data[10]) {
		return f, io.ErrUnexpectedEOF
	}
	for len(rest) > 1 {
		kind := rest[0]
		switch kind {
		case 0x2c:
			if len(rest) < 11 {
				return f, io.ErrUnexpectedEOF
			}
			x, y, flags := u16(rest[1:]), u16(rest[3:]), rest[9]
			f.place = image.Rect(x, y, x+u16(rest[5:]), y+u16(rest[7:]))
			rest = rest[10:]
			if !table(flags) || len(rest) == 0 {
				return f, io.ErrUnexpectedEOF
			}
			if f.interlaced, f.width = flags&0x40 != 0, int(rest[0]); f.width < 2 || f.width > 8 {
				return f, fmt.Errorf("codes of %d bits, want 2..8", f.width)
			}
			if transparent >= 0 {
				f.palette[transparent] = color.RGBA{}
			}
			f.canvas, f.blocks = f.canvas.Union(f.place), rest[1:]
			return f, nil
		case 0x21:
			if rest[1] == 0xf9 && len(rest) >= 8 && rest[2] == 4 && rest[3]&1 != 0 {
				transparent = int(rest[6])
			}
			for rest = rest[2:]; len(rest) > 0 && rest[0] != 0; {
				rest = rest[min(1+int(rest[0]), len(rest)):]
			}
			rest = rest[min(1, len(rest)):]
		case 0x3b:
			return f, errors.New("it has no picture")
		case 0:
			rest = rest[1:] // a terminator too many
		default:
			return f, fmt.Errorf("an unknown block %#x", kind)
		}
	}
	return f, io.ErrUnexpectedEOF
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
