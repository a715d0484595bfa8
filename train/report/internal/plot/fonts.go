package plot

import (
	"cmp"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// family is the fonts' name in an SVG, and families that and others of the same widths.
const (
	family   = "Liberation Sans"
	families = family + ",Arial,Helvetica,sans-serif"
)

// box stands for a letter that the fonts do not have.
const box = '\u25a1'

type fonts struct{ regular *opentype.Font }

func loadFonts() (*fonts, error) {
	regular, err := opentype.Parse(liberationsansregular.TTF)
	if err != nil {
		return nil, err
	}
	return &fonts{regular}, nil
}

func (f *fonts) face(s style) font.Face {
	return font.Face{Font: font.Font{Typeface: family, Size: vg.Length(cmp.Or(s.size, 12)) * px}, Face: f.regular}
}

// width is a text's, in pixels. Letters that are likely to come from another font count as square.
func (f *fonts) width(text string, s style) float64 {
	face, square := f.face(s), 0
	narrow := strings.Map(func(r rune) rune {
		if r >= 0x1100 && r != '…' && r != box {
			square++
			return -1
		}
		return r
	}, text)
	return float64((face.Width(narrow) + face.Font.Size*vg.Length(square)) / px)
}

// fit cuts a text that is wider than most pixels, and ends it in an ellipsis.
func (f *fonts) fit(text string, most float64) string {
	text = clean(text)
	if f.width(text, style{}) <= most {
		return text
	}
	runes := []rune(text)
	n := sort.Search(len(runes), func(n int) bool { return f.width(string(runes[:n+1])+"…", style{}) > most })
	return strings.TrimRight(string(runes[:n]), " ") + "…"
}

// fitAll cuts each text, and says how wide the widest is.
func (f *fonts) fitAll(texts []string, most float64) (fitted []string, widest float64) {
	for _, text := range texts {
		fitted = append(fitted, f.fit(text, most))
		widest = max(widest, f.width(fitted[len(fitted)-1], style{}))
	}
	return fitted, widest
}

// wrap breaks a text at its spaces, if there is any.
func (f *fonts) wrap(text string, most float64) (lines []string) {
	if text == "" {
		return nil
	}
	for _, word := range strings.Split(text, " ") {
		if n := len(lines) - 1; n >= 0 && f.width(lines[n]+" "+word, style{}) <= most {
			lines[n] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// boxes replaces the letters that the fonts do not have, which a PNG would not show at all.
func (f *fonts) boxes(text string) string {
	var b sfnt.Buffer
	return strings.Map(func(r rune) rune {
		if glyph, err := f.regular.GlyphIndex(&b, r); err != nil || glyph == 0 {
			return box
		}
		return r
	}, text)
}

// clean replaces what must not be in XML, which the names of files may have.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) && r != '\u00a0':
			return ' '
		case unicode.IsControl(r), r == 0xfffe, r == 0xffff:
			return utf8.RuneError
		}
		return r
	}, text)
}
