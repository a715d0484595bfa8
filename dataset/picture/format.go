package picture

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// SniffLen is how many of a file's first bytes Sniff looks at.
const SniffLen = 1024

// signature is a format's mark: magic bytes at an offset, '?' standing for any byte.
type signature struct {
	offset int
	magic  string
	format string
}

// avifNotBuilt is AVIF where dataset/picture/avif has not registered it.
const avifNotBuilt = "AVIF (which builds with -tags avif,nodynamic read)"

// supported lists the formats that Decode reads, foreign those that are only recognised, so that an
// error can name them.
var (
	supported = [...]signature{
		{0, "\xff\xd8\xff", "jpeg"},
		{0, "\x89PNG\r\n\x1a\n", "png"},
		{0, "GIF87a", "gif"},
		{0, "GIF89a", "gif"},
		{0, "RIFF????WEBP", "webp"},
		{0, "II\x2a\x00", "tiff"},
		{0, "MM\x00\x2a", "tiff"},
		{0, "II\x2b\x00", "tiff"}, // BigTIFF
		{0, "MM\x00\x2b", "tiff"},
		{0, "BM????\x00\x00\x00\x00", "bmp"},
	}
	foreign = [...]signature{
		{4, "ftypavif", avifNotBuilt}, {4, "ftypavis", avifNotBuilt},
		{4, "ftyphei", "HEIC"}, {4, "ftyphev", "HEIC"}, {4, "ftypmif1", "HEIF"}, {4, "ftypmsf1", "HEIF"},
		{4, "ftypcrx ", "a Canon CR3 raw photograph"},
		{4, "ftyp", "MP4 or QuickTime video"},
		{0, "\x00\x00\x00\x0cjP  ", "JPEG 2000"}, {0, "\xff\x4f\xff\x51", "JPEG 2000"},
		{0, "\x00\x00\x00\x0cJXL ", "JPEG XL"}, {0, "\xff\x0a", "JPEG XL"},
		{0, "II\xbc", "JPEG XR"},
		{0, "IIU\x00", "a Panasonic raw photograph"}, {0, "IIRO", "an Olympus raw photograph"},
		{0, "FUJIFILMCCD-RAW", "a Fujifilm raw photograph"},
		{0, "%PDF-", "PDF"}, {0, "%!PS", "PostScript"}, {0, "8BPS", "Photoshop"},
		{0, "\x00\x00\x01\x00", "an icon (ICO)"}, {0, "\x00\x00\x02\x00", "a cursor (CUR)"},
		{0, "qoif", "QOI"}, {0, "\x76\x2f\x31\x01", "OpenEXR"}, {0, "#?RADIANCE", "Radiance HDR"}, {0, "DDS ", "DDS"},
		{0, "BPG\xfb", "BPG"}, {0, "FLIF", "FLIF"}, {0, "gimp xcf", "GIMP"}, {128, "DICM", "DICOM"},
		{0, "\x89HDF\r\n\x1a\n", "HDF5"}, {0, "\x93NUMPY", "a NumPy array"},
		{0, "PK\x03\x04", "a ZIP archive"}, {0, "\x1f\x8b", "a gzip file"},
		{0, "RIFF????AVI ", "AVI video"}, {0, "\x1a\x45\xdf\xa3", "Matroska or WebM video"},
	}
)

func (s signature) match(head []byte) bool {
	if len(head) < s.offset+len(s.magic) {
		return false
	}
	for i := range len(s.magic) {
		if s.magic[i] != '?' && s.magic[i] != head[s.offset+i] {
			return false
		}
	}
	return true
}

// Sniff tells a file's format by its first bytes (1,024 are enough, and fewer will do). For a
// format that Decode reads, ok is true and format is Info.Format; otherwise format names what the
// file is ("HEIC", "PDF", "text"), or is empty when that is not known.
func Sniff(head []byte) (format string, ok bool) {
	for _, s := range supported {
		if s.match(head) {
			return s.format, true
		}
	}
	if list := registered.Load(); list != nil {
		for _, f := range *list {
			if f.Match(head[:min(len(head), SniffLen)]) {
				return f.Name, true
			}
		}
	}
	for _, s := range foreign {
		if s.match(head) {
			return s.format, false
		}
	}
	return sniffText(head), false
}

// sniffText recognises files of text: SVG, HTML, Netpbm, Git LFS pointers, anything else that is
// UTF-8 without control characters.
func sniffText(head []byte) string {
	head = bytes.TrimPrefix(head[:min(len(head), SniffLen)], []byte("\xef\xbb\xbf"))
	if len(head) == 0 {
		return ""
	}
	if len(head) > 2 && head[0] == 'P' && '1' <= head[1] && head[1] <= '7' &&
		bytes.IndexByte([]byte(" \t\r\n"), head[2]) >= 0 {
		return "a Netpbm picture (PNM)"
	}
	lower := strings.ToLower(string(head))
	switch {
	case strings.HasPrefix(lower, "version https://git-lfs.github.com/spec/"):
		return "a Git LFS pointer, not the picture itself (run git lfs pull)"
	case strings.Contains(lower, "<svg"):
		return "SVG"
	case strings.Contains(lower, "<html") || strings.HasPrefix(lower, "<!doctype html"):
		return "an HTML page"
	}
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			if len(head) < utf8.UTFMax && !utf8.FullRune(head) {
				break // a rune cut by the end of head
			}
			return ""
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' {
			return ""
		}
		head = head[n:]
	}
	return "text"
}
