package picture_test

import (
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
)

// TestRegister adds a format of grey pictures: a mark, width and height in two bytes each, an
// orientation, the pixels.
func TestRegister(t *testing.T) {
	config := func(data []byte) (picture.Info, error) {
		if len(data) < 9 {
			return picture.Info{}, io.ErrUnexpectedEOF
		}
		return picture.Info{Width: int(binary.BigEndian.Uint16(data[4:])), Height: int(binary.BigEndian.Uint16(data[6:])),
			Orientation: int(data[8])}, nil
	}
	decoded := 0
	plain := picture.Format{Name: "plain", Config: config,
		Match: func(head []byte) bool { return strings.HasPrefix(string(head), "PLN\x01") },
		Decode: func(_ context.Context, data []byte) (image.Image, error) {
			decoded++
			info, err := config(data)
			if err != nil || len(data)-9 < info.Width*info.Height {
				return nil, io.ErrUnexpectedEOF
			}
			if data[9] == 0xff {
				panic("of this decoder")
			}
			return &image.Gray{Pix: data[9:], Stride: info.Width, Rect: image.Rect(0, 0, info.Width, info.Height)}, nil
		},
		PixelBytes: func([]byte) int64 { return 24 }}
	data := []byte("PLN\x01\x00\x02\x00\x03\x06abcdef")
	if _, _, err := picture.Decode(data, picture.Limits{}); !errors.Is(err, picture.ErrUnsupported) {
		t.Errorf("before: got %v", err)
	}
	if err := picture.Register(plain); err != nil {
		t.Fatal(err)
	}
	img, info, err := picture.Decode(data, picture.Limits{MaxPixels: 12}) // 24 bytes a pixel: half of the limit
	if err != nil || info != (picture.Info{Format: "plain", Width: 2, Height: 3, Orientation: 6}) ||
		img.(*image.Gray).GrayAt(1, 2).Y != 'f' {
		t.Errorf("got %v, %+v, %v", img, info, err)
	}
	if name, ok := picture.Sniff(data); name != "plain" || !ok {
		t.Errorf("sniff: got %q, %v", name, ok)
	}
	if got := picture.DecodedBytes(data, info); got != (24+8)*6+1<<16 {
		t.Errorf("got %d bytes decoded", got)
	}
	before := decoded
	var large *picture.TooLargeError
	if _, _, err := picture.Decode(data, picture.Limits{MaxPixels: 11}); !errors.As(err, &large) || decoded != before {
		t.Errorf("beyond the limit: got %v, decoded %d times", err, decoded-before)
	}
	for want, bad := range map[string][]byte{
		"truncated":         data[:12],
		"of this decoder":   []byte("PLN\x01\x00\x01\x00\x01\x00\xff"),
		"want at least 1x1": []byte("PLN\x01\x00\x00\x00\x01\x00\xff"),
	} {
		var damaged *picture.DecodeError
		if _, _, err := picture.Decode(bad, picture.Limits{}); !errors.As(err, &damaged) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, f := range []picture.Format{{}, {Name: "none"}, plain, {Name: "jpeg", Match: plain.Match, Config: plain.Config,
		Decode: plain.Decode}} {
		if err := picture.Register(f); err == nil || !strings.Contains(err.Error(), f.Name) {
			t.Errorf("%q: got %v, want it refused", f.Name, err)
		}
	}
}
