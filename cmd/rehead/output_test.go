package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrapped(t *testing.T) {
	text := strings.Repeat("\u00fcber wide words ", 20) + strings.Repeat("x", 90)
	got := wrapped(text, 13, "    ")
	lines := strings.Split(got, "\n")
	for i, l := range lines {
		n := utf8.RuneCountInString(l)
		if i == 0 {
			n += 13
		} else if !strings.HasPrefix(l, "    ") || strings.HasPrefix(l, "     ") {
			t.Errorf("line %d begins wrongly: %q", i, l)
		}
		if n > columns && strings.Contains(strings.TrimSpace(l), " ") {
			t.Errorf("line %d has %d columns, want at most %d", i, n, columns)
		}
	}
	if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(text), " ") || len(lines) < 6 {
		t.Errorf("got %q", got)
	}
	if got := wrapped("short", 0, "  "); got != "short" {
		t.Errorf("got %q", got)
	}
}

// TestDirectionsAreVisible: a name that would turn the text around it is printed as an escape.
func TestDirectionsAreVisible(t *testing.T) {
	o := command(t, "doctor", "a\u202egnp.exe")
	if o.code == exitDone || strings.Contains(o.stderr, "\u202e") || !strings.Contains(o.stderr, `a\u202egnp`) {
		t.Errorf("code %d: %q", o.code, o.stderr)
	}
}
