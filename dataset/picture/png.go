package picture

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"math"
	"slices"
)

// pngConfig reads the dimensions of a PNG; those too large for image/png are handed on, so that the
// pixel limit refuses them.
func pngConfig(data []byte) (width, height int, err error) {
	width, height, err = std(png.DecodeConfig)(data)
	if err == nil || len(data) < 24 || string(data[12:16]) != "IHDR" {
		return width, height, err
	}
	w, h := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if uint64(w)*uint64(h) > math.MaxInt32 && w <= math.MaxInt32 && h <= math.MaxInt32 {
		return int(w), int(h), nil
	}
	return std(png.DecodeConfig)(essential(data, "IHDR", "PLTE"))
}

// decodePNG decodes a PNG. One that image/png refuses for what carries no pixels is read without
// that: a wrong checksum of another chunk, a missing end of the file, of its last chunk or of the
// compressed data, bytes behind the last pixel.
func decodePNG(ctx context.Context, data []byte) (image.Image, error) {
	img, err := png.Decode(&reader{ctx, bytes.NewReader(data)})
	var unsupported png.UnsupportedError
	if err == nil || ctx.Err() != nil || errors.As(err, &unsupported) {
		return img, err
	}
	exact, again := decodeExact(ctx, data)
	switch {
	case again == nil:
		return exact, nil
	case errors.Is(again, png.FormatError("invalid checksum")): // of pixels: what followed from it says less
		return nil, again
	}
	return nil, err
}

// pngSignature begins a PNG, pngEnd ends it.
const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	pngEnd       = "\x00\x00\x00\x00IEND\xaeB`\x82"
)

// pngChunks yields the chunks of a PNG, whole, up to the first that is cut short.
func pngChunks(data []byte) func(func(kind string, whole []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for rest := data[min(8, len(data)):]; len(rest) >= 12; {
			n := uint64(binary.BigEndian.Uint32(rest))
			if n > uint64(len(rest)-12) || !yield(string(rest[4:8]), rest[:12+n]) {
				return
			}
			rest = rest[12+n:]
		}
	}
}

// essential returns a PNG's chunks of these kinds, and an end.
func essential(data []byte, kinds ...string) []byte {
	out := []byte(pngSignature)
	for kind, whole := range pngChunks(data) {
		if slices.Contains(kinds, kind) {
			out = append(out, whole...)
		}
	}
	return append(out, pngEnd...)
}

// decodeExact decodes a PNG by the chunks that show its pixels: their data, whose checksums must be
// right, are unpacked as far as there are pixels and handed to image/png as they are.
func decodeExact(ctx context.Context, data []byte) (image.Image, error) {
	var parts []io.Reader
	head := []byte(pngSignature)
	need := int64(0)
	rest := data[min(8, len(data)):]
	for kind, whole := range pngChunks(data) {
		rest = rest[len(whole):]
		switch kind {
		case "IHDR":
			need = pngRawBytes(whole[8:])
			head = append(head, whole...)
		case "PLTE", "tRNS":
			head = append(head, whole...)
		case "IDAT":
			end := len(whole) - 4
			if crc32.ChecksumIEEE(whole[4:end]) != binary.BigEndian.Uint32(whole[end:]) {
				return nil, png.FormatError("invalid checksum")
			}
			parts = append(parts, bytes.NewReader(whole[8:end]))
		}
	}
	if len(rest) > 8 && string(rest[4:8]) == "IDAT" { // cut short, perhaps behind the last pixel
		parts = append(parts, bytes.NewReader(rest[8:min(uint64(len(rest)), 8+uint64(binary.BigEndian.Uint32(rest)))]))
	}
	in, err := zlib.NewReader(io.MultiReader(parts...))
	if err != nil {
		return nil, err
	}
	from, to := io.Pipe()
	go func() {
		chunks := zlibChunks{to}
		w, err := zlib.NewWriterLevel(chunks, zlib.NoCompression)
		if err == nil {
			_, err = io.CopyN(w, in, need)
		}
		if err == nil {
			err = w.Close()
		}
		if err == nil {
			_, err = to.Write([]byte(pngEnd))
		}
		to.CloseWithError(err)
	}()
	defer func() { _ = from.Close() }()
	return png.Decode(io.MultiReader(bytes.NewReader(head), &stream{ctx, from}))
}

// stream reads as long as ctx lasts.
type stream struct {
	ctx context.Context
	io.Reader
}

func (s *stream) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}

// zlibChunks makes an IDAT chunk of whatever is written.
type zlibChunks struct{ to io.Writer }

func (c zlibChunks) Write(p []byte) (int, error) {
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(p))), "IDAT"...)
	chunk = append(chunk, p...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	if _, err := c.to.Write(chunk); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pngRawBytes is how many bytes the rows of a picture unpack to, of all passes, by its IHDR.
func pngRawBytes(header []byte) int64 {
	w, h := int64(binary.BigEndian.Uint32(header)), int64(binary.BigEndian.Uint32(header[4:]))
	bits := int64(header[8]) * map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[header[9]]
	if header[12] == 0 {
		return h * (1 + (w*bits+7)/8)
	}
	total := int64(0)
	for _, p := range [7][4]int64{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2},
		{0, 1, 1, 2}} { // Adam7: first column and row, steps
		across, down := (w-p[0]+p[2]-1)/p[2], (h-p[1]+p[3]-1)/p[3]
		if across > 0 && down > 0 {
			total += down * (1 + (across*bits+7)/8)
		}
	}
	return total
}
