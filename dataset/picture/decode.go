package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"

	"github.com/c236555e/rehead/dataset/picture/internal/jpeg"
	"github.com/c236555e/rehead/dataset/picture/internal/tiff"
)

// Info says what a decoded picture was.
type Info struct {
	Format        string // "jpeg", "png", "gif", "bmp", "webp", "tiff" or the name of one that was registered
	Width, Height int    // in pixels, as stored: before Orientation is applied
	Orientation   int    // EXIF orientation 1..8; 1 when the file says nothing, or nothing sensible
}

// codec is how one picture is read. config must be cheap and allocate nothing in proportion to the
// picture.
type codec struct {
	config func(data []byte) (width, height int, err error)
	decode func(ctx context.Context, data []byte) (image.Image, error)
	orient func(data []byte) int
	halves int64 // of a byte that decoding takes for a pixel at most, where that is more than 12 bytes
}

func codecOf(format string, data []byte) codec {
	upright := func([]byte) int { return 1 }
	switch format {
	case "jpeg":
		head := scanJPEG(data)
		return codec{head.config, head.decode, head.orient, head.halves()}
	case "png":
		return codec{pngConfig, decodePNG, orientPNG, 0}
	case "gif":
		return codec{gifConfig, decodeGIF, upright, 0}
	case "webp":
		return codec{webpConfig, decodeWebP, orientWebP, 0}
	case "tiff":
		return codec{tiff.Size, decodeTIFF, tiff.Orientation, 0}
	case "bmp":
		return codec{bmpConfig, decodeBMP, upright, 0}
	}
	f, _ := added(format) // Sniff found it there
	return f.codec(data)
}

func std(config func(io.Reader) (image.Config, error)) func([]byte) (int, int, error) {
	return func(data []byte) (int, int, error) {
		c, err := config(bytes.NewReader(data))
		return c.Width, c.Height, err
	}
}

// reader reads data as long as ctx lasts.
type reader struct {
	ctx context.Context
	*bytes.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// Decode is DecodeContext with a context that does not end.
func Decode(data []byte, lim Limits) (image.Image, Info, error) {
	return DecodeContext(context.Background(), data, lim)
}

// DecodeContext decodes one picture. Its format is told by the first bytes, never by a name. The
// dimensions are read and held against lim before any pixel is decoded. The picture is returned as
// stored: Info.Orientation is not applied, alpha is not composited; Recipe.Apply does both. Of an
// animation, and of a file of several pages, the first picture counts. Colour profiles are ignored.
//
// Bytes after the picture's end are ignored. A picture that ends before its last pixel is an error,
// since half a picture looks like another class. The errors are *TooLargeError, *DecodeError, and
// *UnsupportedError, which errors.Is finds as ErrUnsupported; or ctx's, soon after that ends. No
// input makes DecodeContext panic.
func DecodeContext(ctx context.Context, data []byte, lim Limits) (image.Image, Info, error) {
	h, err := ReadHeader(data, lim)
	if err != nil {
		return nil, h.Info, err
	}
	img, err := h.Decode(ctx)
	return img, h.Info, err
}

// Header is what a picture's first bytes say of it, read once: Decode goes on from there.
type Header struct {
	Info
	data  []byte
	codec codec
}

// ReadHeader reads a picture's header: its format, dimensions and orientation, held against lim. It
// allocates nothing in proportion to the picture, finds the errors of Decode that the header shows,
// and never panics. The header keeps data.
func ReadHeader(data []byte, lim Limits) (h Header, err error) {
	if n := int64(len(data)); n > lim.Bytes() {
		return h, &TooLargeError{What: "bytes", Got: n, Limit: lim.Bytes()}
	}
	if len(data) == 0 {
		return h, &DecodeError{Err: errors.New("the file is empty (0 bytes): fetch or export it again")}
	}
	format, ok := Sniff(data)
	if !ok {
		return h, &UnsupportedError{Format: format}
	}
	defer func() {
		if p := recover(); p != nil {
			err = &DecodeError{Format: format, Err: fmt.Errorf("the decoder gave up: %v", p)}
		}
	}()
	h = Header{Info: Info{Format: format, Orientation: 1}, data: data, codec: codecOf(format, data)}
	if h.Width, h.Height, err = h.codec.config(data); err != nil {
		return h, explain(format, err)
	}
	if h.Width <= 0 || h.Height <= 0 {
		return h, &DecodeError{Format: format, Err: fmt.Errorf("got %dx%d pixels, want at least 1x1", h.Width, h.Height)}
	}
	if most := h.codec.halves; most > 2*usualBytes {
		n := lim.Pixels()
		lim.MaxPixels = max(n/most*2*usualBytes+n%most*2*usualBytes/most, 1)
	}
	if err := lim.check(h.Width, h.Height); err != nil {
		return h, err
	}
	h.Orientation = h.codec.orient(data)
	return h, nil
}

// Decode decodes the pixels of a header that ReadHeader returned without an error, as DecodeContext
// does.
func (h *Header) Decode(ctx context.Context) (img image.Image, err error) {
	if h == nil || h.codec.decode == nil {
		return nil, errors.New("dataset: decode: got no header that ReadHeader returned")
	}
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, &DecodeError{Format: h.Format, Err: fmt.Errorf("the decoder gave up: %v", p)}
		}
	}()
	img, err = h.codec.decode(ctx, h.data)
	if ended := ctx.Err(); ended != nil {
		return nil, fmt.Errorf("dataset: decode: %w", ended)
	}
	if err != nil {
		return nil, explain(h.Format, err)
	}
	if b := img.Bounds(); b.Dx() != h.Width || b.Dy() != h.Height {
		return nil, &DecodeError{Format: h.Format,
			Err: fmt.Errorf("the header says %dx%d pixels, the data %dx%d", h.Width, h.Height, b.Dx(), b.Dy())}
	}
	return img, nil
}

// explain turns a decoder's error into one of this package's.
func explain(format string, err error) error {
	var (
		unsupported *UnsupportedError
		inJPEG      jpeg.UnsupportedError
		inPNG       png.UnsupportedError
		inTIFF      tiff.UnsupportedError
	)
	switch {
	case errors.As(err, &unsupported):
		return err
	case errors.As(err, &inJPEG):
		return &UnsupportedError{Format: format, Reason: string(inJPEG)}
	case errors.As(err, &inPNG):
		return &UnsupportedError{Format: format, Reason: string(inPNG)}
	case errors.As(err, &inTIFF):
		return &UnsupportedError{Format: format, Reason: string(inTIFF)}
	case errors.Is(err, png.FormatError("not enough pixel data")), // image/png's word for it
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = io.ErrUnexpectedEOF
	}
	return &DecodeError{Format: format, Err: err}
}
