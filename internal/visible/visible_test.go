package visible

import (
	"fmt"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"daisy":             "daisy",
		"a\u202egnp.b":      `a\u202egnp.b`,
		"\u2066x\u2069":     `\u2066x\u2069`,
		"\u061c\u200e":      `\u061c\u200e`,
		"Löwe \xff 日本 שלום": "Löwe \xff 日本 שלום",
	} {
		var b strings.Builder
		if _, err := fmt.Fprint(Writer{&b}, in); err != nil || b.String() != want {
			t.Errorf("%q: got %q, %v, want %q", in, b.String(), err, want)
		}
	}
}
