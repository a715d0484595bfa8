package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// exifMark precedes the TIFF structure in a JPEG's APP1 segment, and in some writers' PNG and WebP
// chunks.
const exifMark = "Exif\x00\x00"

// maxExif bounds what is unpacked of a compressed Exif profile; JPEG allows 64 KiB.
const maxExif = 64 << 10

// readOrientation reads the orientation in the first directory of a TIFF structure: II or MM, 42,
// the directory's offset; then entries of 12 bytes. It follows no other offset, so it ends after at
// most 65,535 entries. It is 1 where nothing, or nothing sensible, is said. Source: TIFF 6.0,
// section 2; Exif 2.32, section 4.6.4.
func readOrientation(data []byte) int {
	if len(data) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	if data[0] != data[1] || data[0] != 'I' && data[0] != 'M' || order.Uint16(data[2:]) != 42 {
		return 1
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return 1
	}
	orientation := 1
	entries, rest := order.Uint16(data[at:]), data[at+2:]
	for range entries {
		if len(rest) < 12 {
			break
		}
		tag, kind, count, value := order.Uint16(rest), order.Uint16(rest[2:]), order.Uint32(rest[4:]), rest[8:12]
		rest = rest[12:]
		if tag != 0x112 || count != 1 {
			continue
		}
		var v uint32
		switch kind {
		case 1: // BYTE
			v = uint32(value[0])
		case 3: // SHORT
			v = uint32(order.Uint16(value))
		case 4: // LONG
			v = order.Uint32(value)
		}
		if 1 <= v && v <= 8 {
			orientation = int(v)
		}
	}
	return orientation
}

// exifOrientation reads the orientation 1..8 out of an Exif block, with or without its mark; 1 when
// it cannot be read.
func exifOrientation(block []byte) int {
	return readOrientation(bytes.TrimPrefix(block, []byte(exifMark)))
}

// orientPNG looks for an eXIf chunk, or for the text chunk that ImageMagick wrote before eXIf was
// defined.
func orientPNG(data []byte) int {
	for rest := data[min(8, len(data)):]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n > uint64(len(rest)-12) {
			break
		}
		body := rest[8 : 8+n]
		switch string(rest[4:8]) {
		case "eXIf":
			return exifOrientation(body)
		case "tEXt", "zTXt":
			if block := rawProfile(string(rest[4:8]), body); block != nil {
				return exifOrientation(block)
			}
		}
		rest = rest[12+n:]
	}
	return 1
}

// rawProfile unpacks ImageMagick's "Raw profile type exif": a keyword, a name and a length on lines
// of their own, then hexadecimal.
func rawProfile(kind string, body []byte) []byte {
	text, found := bytes.CutPrefix(body, []byte("Raw profile type exif\x00"))
	if !found {
		text, found = bytes.CutPrefix(body, []byte("Raw profile type APP1\x00"))
	}
	if !found {
		return nil
	}
	if kind == "zTXt" {
		if len(text) == 0 {
			return nil
		}
		r, err := zlib.NewReader(bytes.NewReader(text[1:]))
		if err != nil {
			return nil
		}
		if text, err = io.ReadAll(io.LimitReader(r, 3*maxExif)); err != nil {
			return nil
		}
	}
	for range 3 { // an empty line, the name, the length
		_, after, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return nil
		}
		text = after
	}
	text = bytes.ReplaceAll(text[:min(len(text), 3*maxExif)], []byte("\n"), nil)
	block := make([]byte, hex.DecodedLen(len(text)))
	n, _ := hex.Decode(block, text) // what precedes a wrong digit will do
	return block[:n]
}

// orientWebP looks for the EXIF chunk.
func orientWebP(data []byte) int {
	for c := range riffChunks(data) {
		if c.id == "EXIF" {
			return exifOrientation(c.body)
		}
	}
	return 1
}
