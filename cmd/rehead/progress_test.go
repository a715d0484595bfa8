package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
)

// A bar fits its terminal, however narrow, and says how far it is, how fast and how long yet.
func TestProgressFits(t *testing.T) {
	for _, width := range []int{20, 40, 80, 200} {
		p := &progress{a: &app{}, what: "embedding", unit: "pictures", n: 123456, of: 1234567}
		got := p.line(width, 23.4, 13*time.Hour+5*time.Second)
		if n := utf8.RuneCountInString(got); n >= width {
			t.Errorf("%d columns: got %d, want fewer: %q", width, n, got)
		}
		if whole := strings.HasSuffix(got, "123456/1234567 pictures  23.4/s  13h0m5s left"); whole != (width > 40) {
			t.Errorf("%d columns: got %q", width, got)
		}
		if n := strings.Count(got, "█") + strings.Count(got, "░"); width > 80 && n != widestBar || width == 80 && n < 10 {
			t.Errorf("%d columns: got a bar of %d", width, n)
		}
	}
	bounded := &progress{a: &app{}, what: "fit", n: 5, of: 1000, early: true}
	if got := bounded.line(80, 1, time.Second); !strings.Contains(got,
		"at most 1s left") {
		t.Errorf("got %q, want a bound", got)
	}
}

// Bars are drawn on a terminal alone, and wiped when they are done.
func TestProgressLeavesNothing(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		var b bytes.Buffer
		p := (&app{stderr: &b, stdout: &b, errTTY: terminal}).trainProgress()
		for n := range 4 {
			p.event(train.Event{Event: head.Event{Phase: train.PhaseEmbed, Done: n, Total: 3}})
		}
		p.done()
		got := b.String()
		if drawn := strings.Contains(got, "3/3"); drawn != terminal {
			t.Errorf("a terminal: %t; got %q", terminal, got)
		}
		if terminal && !strings.HasSuffix(got, "\r\x1b[K") || !terminal && strings.ContainsAny(got, "\r\x1b") {
			t.Errorf("a terminal: %t; at the end there is %q", terminal, got)
		}
	}
}
