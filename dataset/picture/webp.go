package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"
	"io"
	"iter"

	"golang.org/x/image/webp"
)

// chunk is one chunk of a RIFF file.
type chunk struct {
	id   string // four characters
	body []byte
	all  []byte // with its header and padding
}

// riffChunks yields the chunks of a WebP file, up to the first that is cut short.
func riffChunks(data []byte) iter.Seq[chunk] { return chunks(data[min(12, len(data)):]) }

func chunks(rest []byte) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		for len(rest) >= 8 {
			n := uint64(binary.LittleEndian.Uint32(rest[4:]))
			if n > uint64(len(rest)-8) {
				return
			}
			end := min(8+n+n&1, uint64(len(rest)))
			if !yield(chunk{id: string(rest[:4]), body: rest[8 : 8+n], all: rest[:end]}) {
				return
			}
			rest = rest[end:]
		}
	}
}

// webpConfig reads the dimensions of a WebP.
func webpConfig(data []byte) (width, height int, err error) {
	return std(webp.DecodeConfig)(withLength(data))
}

// withLength returns a WebP file whose header says its length, where it says a few bytes less: some
// writers leave out the padding of the last chunk.
func withLength(data []byte) []byte {
	const head = 8
	if len(data) < head {
		return data
	}
	short := len(data) - head - int(binary.LittleEndian.Uint32(data[4:]))
	if short <= 0 || short > 2 {
		return data
	}
	data = bytes.Clone(data)
	binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-head))
	return data
}

// decodeWebP decodes lossy and lossless pictures, with and without alpha, and the first frame of an
// animation, laid on a transparent canvas. The result is an *image.NRGBA.
func decodeWebP(ctx context.Context, data []byte) (image.Image, error) {
	data = withLength(data)
	for c := range riffChunks(data) {
		if c.id == "ANMF" {
			return decodeFrame(data, c.body)
		}
	}
	img, err := webp.Decode(&reader{ctx, bytes.NewReader(data)})
	if err != nil {
		return nil, err
	}
	return videoToNRGBA(img), nil
}

// decodeFrame decodes one frame of an animated WebP: its place on the canvas in pairs of pixels,
// its size, duration and flags in 16 bytes, then the chunks of a still picture. Source:
// developers.google.com/speed/webp/docs/riff_container.
func decodeFrame(data, frame []byte) (image.Image, error) {
	canvas, err := webp.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if len(frame) < 16 {
		return nil, io.ErrUnexpectedEOF
	}
	u24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	x, y, w, h := 2*u24(frame), 2*u24(frame[3:]), u24(frame[6:])+1, u24(frame[9:])+1
	if x+w > canvas.Width || y+h > canvas.Height {
		return nil, errors.New("the first frame lies outside the canvas")
	}
	extended := make([]byte, 18, 18+len(frame)) // VP8X chunk: flags, 3 bytes reserved, width-1, height-1
	copy(extended, "VP8X\x0a\x00\x00\x00")
	copy(extended[12:], frame[6:12])
	shown := false
	for c := range chunks(frame[16:]) {
		switch c.id {
		case "ALPH":
			extended[8] |= 1 << 4
			extended = append(extended, c.all...)
		case "VP8 ", "VP8L":
			extended, shown = append(extended, c.all...), true
		}
	}
	if !shown {
		return nil, errors.New("the first frame holds no picture")
	}
	still := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(extended)))
	still = append(append(still, "WEBP"...), extended...)
	img, err := webp.Decode(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	rgb := videoToNRGBA(img)
	if rgb.Rect.Dx() == canvas.Width && rgb.Rect.Dy() == canvas.Height {
		return rgb, nil
	}
	out := image.NewNRGBA(image.Rect(0, 0, canvas.Width, canvas.Height))
	draw.Draw(out, image.Rect(x, y, x+w, y+h), rgb, rgb.Rect.Min, draw.Src)
	return out, nil
}

// videoToNRGBA converts a VP8 picture, which is stored in the studio range of BT.601 (black 16,
// white 235) though image.YCbCr says otherwise, with the chroma interpolated as libwebp does.
// Lossless pictures are NRGBA already.
func videoToNRGBA(img image.Image) *image.NRGBA {
	var alpha []uint8
	var stride int
	var m *image.YCbCr
	switch p := img.(type) {
	case *image.NRGBA:
		return p
	case *image.NYCbCrA:
		m, alpha, stride = &p.YCbCr, p.A, p.AStride
	case *image.YCbCr:
		m = p
	default:
		out := image.NewNRGBA(img.Bounds())
		draw.Draw(out, out.Rect, img, out.Rect.Min, draw.Src)
		return out
	}
	out := image.NewNRGBA(m.Rect)
	w := m.Rect.Dx()
	for y := range m.Rect.Dy() {
		row := out.Pix[y*out.Stride : y*out.Stride+4*w]
		near, far := chromaRows(m, m.Rect.Min.Y+y, 2)
		luma := m.Y[y*m.YStride : y*m.YStride+w]
		for x := range w {
			cx := x >> 1
			nx := min(max(cx-1+2*(x&1), 0), (w-1)>>1)
			cb := 9*int32(m.Cb[near+cx]) + 3*int32(m.Cb[far+cx]) + 3*int32(m.Cb[near+nx]) + int32(m.Cb[far+nx]) + 8
			cr := 9*int32(m.Cr[near+cx]) + 3*int32(m.Cr[far+cx]) + 3*int32(m.Cr[near+nx]) + int32(m.Cr[far+nx]) + 8
			yy, u, v := 76309*(int32(luma[x])-16)+1<<15, cb>>4-128, cr>>4-128
			p := row[4*x : 4*x+4 : 4*x+4]
			p[0] = clamp8((yy + 104597*v) >> 16)
			p[1] = clamp8((yy - 25675*u - 53279*v) >> 16)
			p[2] = clamp8((yy + 132201*u) >> 16)
			p[3] = 255
			if alpha != nil {
				p[3] = alpha[y*stride+x]
			}
		}
	}
	return out
}

func clamp8(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // below zero: 0; above: 255
}
