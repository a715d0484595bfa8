package picture

import (
	"encoding/binary"
	"testing"
)

// TestPNGRawBytes: the passes of an interlaced picture hold every pixel once, and a byte a row.
func TestPNGRawBytes(t *testing.T) {
	for _, size := range [][2]uint32{{1, 1}, {3, 2}, {5, 5}, {8, 8}, {31, 17}} {
		header := binary.BigEndian.AppendUint32(nil, size[0])
		header = append(binary.BigEndian.AppendUint32(header, size[1]), 8, 2, 0, 0, 0)
		plain := pngRawBytes(header)
		if want := int64(size[1]) * (1 + 3*int64(size[0])); plain != want {
			t.Errorf("%v: got %d, want %d", size, plain, want)
		}
		header[12] = 1
		rows := int64(0)
		for y := range size[1] { // the passes that have a row y, by Adam7's first 8x8 pixels
			for pass := range 7 {
				for x := range size[0] {
					if int("1626462677777777565656567777777736463646777777775656565677777777"[y%8*8+x%8]-'1') == pass {
						rows++
						break
					}
				}
			}
		}
		if got, want := pngRawBytes(header), 3*int64(size[0])*int64(size[1])+rows; got != want {
			t.Errorf("%v interlaced: got %d, want %d", size, got, want)
		}
	}
}
