// Package visible shows what would make text read otherwise than it is written: names of labels and
// files come from anybody.
package visible

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// Text writes the characters that turn the direction of the text around them as escapes, "\u202e",
// which JSON reads back; everything else stays.
func Text(text []byte) []byte {
	if !bytes.ContainsFunc(text, turns) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if turns(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}

// turns tells Unicode's characters of the property Bidi_Control.
func turns(r rune) bool {
	return r == 0x061c || r == 0x200e || r == 0x200f || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

// Writer passes on what Text makes of each write.
type Writer struct{ To io.Writer }

// Write takes whole characters.
func (w Writer) Write(p []byte) (int, error) {
	if _, err := w.To.Write(Text(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
