package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// The limits of the zero Limits.
const (
	DefaultMaxBytes  = 32 << 20
	DefaultMaxPixels = 64 << 20
)

// Limits bound what Decode is willing to look at. The zero value means the defaults.
type Limits struct {
	MaxBytes  int64 // largest encoded picture, in bytes; 0 means DefaultMaxBytes
	MaxPixels int64 // largest width x height, in pixels; 0 means DefaultMaxPixels. Decoding takes up to 8 bytes a pixel
}

func (l Limits) Bytes() int64 {
	if l.MaxBytes > 0 {
		return l.MaxBytes
	}
	return DefaultMaxBytes
}

func (l Limits) Pixels() int64 {
	if l.MaxPixels > 0 {
		return l.MaxPixels
	}
	return DefaultMaxPixels
}

func (l Limits) check(width, height int) error {
	pixels := int64(math.MaxInt64)
	if w, h := int64(width), int64(height); h == 0 || w <= math.MaxInt64/h {
		pixels = w * h
	}
	if limit := l.Pixels(); pixels > limit {
		return &TooLargeError{What: "pixels", Got: pixels, Limit: limit, Width: width, Height: height}
	}
	return nil
}

// Info says what a decoded picture was.
type Info struct {
	Format        string // "jpeg", "png", "gif", "bmp", "webp" or "tiff"
	Width, Height int    // in pixels, as stored: before Orientation is applied
	Orientation   int    // EXIF orientation 1..8; 1 when the file says nothing, or nothing sensible
}

// codec is how one picture is read. config must be cheap and allocate nothing in proportion to the
// picture.
type codec struct {
	config func(data []byte) (width, height int, err error)
	decode func(data []byte) (image.Image, error)
	orient func(data []byte) int
}

func codecOf(format string, data []byte) codec {
	upright := func([]byte) int { return 1 }
	switch format {
	case "jpeg":
		head := scanJPEG(data)
		return codec{head.config, head.decode, head.orient}
	case "png":
		return codec{pngConfig, stdDecode(png.Decode), orientPNG}
	case "gif":
		return codec{std(gif.DecodeConfig), decodeGIF, upright}
	case "webp":
		return codec{std(webp.DecodeConfig), decodeWebP, orientWebP}
	case "tiff":
		return codec{tiffConfig, stdDecode(tiff.Decode), orientTIFF}
	default:
		return codec{bmpConfig, stdDecode(bmp.Decode), upright}
	}
}

func std(config func(io.Reader) (image.Config, error)) func([]byte) (int, int, error) {
	return func(data []byte) (int, int, error) {
		c, err := config(bytes.NewReader(data))
		return c.Width, c.Height, err
	}
}

func stdDecode(decode func(io.Reader) (image.Image, error)) func([]byte) (image.Image, error) {
	return func(data []byte) (image.Image, error) { return decode(bytes.NewReader(data)) }
}

// Decode decodes one picture. Its format is told by the first bytes, never by a name. The
// dimensions are read and held against lim before any pixel is decoded. The picture is returned as
// stored: Info.Orientation is not applied, alpha is not composited; Recipe.Apply does both. Of an
// animation, and of a file of several pages, the first picture counts. Colour profiles are ignored.
//
// Bytes after the picture's end are ignored. A picture that ends before its last pixel is an error,
// since half a picture looks like another class. The errors are *TooLargeError, *DecodeError, and
// *UnsupportedError, which errors.Is finds as ErrUnsupported. No input makes Decode panic.
func Decode(data []byte, lim Limits) (image.Image, Info, error) {
	h, err := ReadHeader(data, lim)
	if err != nil {
		return nil, h.Info, err
	}
	img, err := h.Decode()
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
		return h, explain(format, data, err)
	}
	if h.Width <= 0 || h.Height <= 0 {
		return h, &DecodeError{Format: format, Err: fmt.Errorf("got %dx%d pixels, want at least 1x1", h.Width, h.Height)}
	}
	if err := lim.check(h.Width, h.Height); err != nil {
		return h, err
	}
	h.Orientation = h.codec.orient(data)
	return h, nil
}

// Decode decodes the pixels of a header that ReadHeader returned without an error, as the function
// of that name does.
func (h *Header) Decode() (img image.Image, err error) {
	if h == nil || h.codec.decode == nil {
		return nil, errors.New("dataset: decode: got no header that ReadHeader returned")
	}
	defer func() {
		if p := recover(); p != nil {
			img, err = nil, &DecodeError{Format: h.Format, Err: fmt.Errorf("the decoder gave up: %v", p)}
		}
	}()
	if img, err = h.codec.decode(h.data); err != nil {
		return nil, explain(h.Format, h.data, err)
	}
	if b := img.Bounds(); b.Dx() != h.Width || b.Dy() != h.Height {
		return nil, &DecodeError{Format: h.Format,
			Err: fmt.Errorf("the header says %dx%d pixels, the data %dx%d", h.Width, h.Height, b.Dx(), b.Dy())}
	}
	return img, nil
}

// explain turns a decoder's error into one of this package's.
func explain(format string, data []byte, err error) error {
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
	case errors.Is(err, bmp.ErrUnsupported):
		return &UnsupportedError{Format: format, Reason: bmpReason(data)}
	case errors.Is(err, jpeg.FormatError("short Huffman data")), errors.Is(err, png.FormatError("not enough pixel data")),
		errors.Is(err, tiff.FormatError("not enough pixel data")):
		err = io.ErrUnexpectedEOF // these decoders' words for it
	case errors.Is(err, io.EOF), strings.HasSuffix(err.Error(), io.ErrUnexpectedEOF.Error()),
		err.Error() == "gif: not enough image data":
		err = io.ErrUnexpectedEOF // image/gif reports the end of the file by its text alone
	}
	return &DecodeError{Format: format, Err: err}
}
