package picture

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"sync/atomic"
)

// Format is a format that a program adds to those that Decode reads: see Register.
type Format struct {
	Name string // Info.Format of its pictures; none that Decode reads already
	// tells the format by a file's first bytes, of which there are SniffLen at most
	Match func(head []byte) bool
	// reads size and orientation. It is cheap and allocates nothing in proportion to the picture;
	// Limits are held against what it says before Decode is called
	Config func(data []byte) (Info, error)
	// decodes the first picture as it is stored, in the size that Config says, and ends soon after
	// ctx does. Its image is read by the kinds of package image, else slowly by its method At
	Decode func(ctx context.Context, data []byte) (image.Image, error)
	// the most that Decode holds for a pixel of this picture, in bytes, from 1; nil means 12. Where it
	// is more, the picture may have that much fewer pixels than Limits allow
	PixelBytes func(data []byte) int64
}

// registered are the formats that were added, never changed in place.
var registered atomic.Pointer[[]Format]

// added is the format of that name.
func added(name string) (Format, bool) {
	if list := registered.Load(); list != nil {
		for _, f := range *list {
			if f.Name == name {
				return f, true
			}
		}
	}
	return Format{}, false
}

// Register adds a format, for the whole process: Sniff and all that decodes know it from then on.
// What Config and Decode panic with becomes a *DecodeError, and so do their errors that are no
// *UnsupportedError; io.ErrUnexpectedEOF says that the bytes end too early. Formats that Decode
// reads by itself come first, then those added in their order. Programs call it as they start,
// though it is safe at any time. Match must not panic.
func Register(f Format) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("dataset: register format %q: %s", f.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case f.Name == "":
		return bad("got no name")
	case f.Match == nil || f.Config == nil || f.Decode == nil:
		return bad("want Match, Config and Decode")
	case slices.ContainsFunc(supported[:], func(s signature) bool { return s.format == f.Name }):
		return bad("is read already")
	}
	if f.PixelBytes == nil {
		f.PixelBytes = func([]byte) int64 { return usualBytes }
	}
	for {
		before := registered.Load()
		var list []Format
		if before != nil {
			list = *before
		}
		if slices.ContainsFunc(list, func(o Format) bool { return o.Name == f.Name }) {
			return bad("was added already")
		}
		list = append(slices.Clip(list), f)
		if registered.CompareAndSwap(before, &list) {
			return nil
		}
	}
}

// usualBytes is what decoding takes at most for each pixel, in bytes.
const usualBytes = 12

// codec is how a picture of the format is read.
func (f Format) codec(data []byte) codec {
	return codec{
		config: func(data []byte) (width, height int, err error) {
			info, err := f.Config(data)
			return info.Width, info.Height, err
		},
		decode: func(ctx context.Context, data []byte) (image.Image, error) {
			img, err := f.Decode(ctx, data)
			if err == nil && img == nil {
				err = errors.New("the decoder returned no picture")
			}
			return img, err
		},
		orient: func(data []byte) int {
			if info, err := f.Config(data); err == nil && 1 <= info.Orientation && info.Orientation <= 8 {
				return info.Orientation
			}
			return 1
		},
		halves: 2 * min(max(f.PixelBytes(data), 1), 1<<20),
	}
}
