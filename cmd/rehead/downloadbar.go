package main

import (
	"fmt"
	"strings"
	"time"
)

// downloadBar shows how far a download is, on a terminal; nothing elsewhere.
type downloadBar struct {
	a       *app
	what    string
	base    int64     // what was there when it began
	start   time.Time // of the first report
	visible bool
}

func (a *app) downloadBar(what string) *downloadBar { return &downloadBar{a: a, what: what} }

// set reports that done of total bytes are here; total is 0 when unknown.
func (b *downloadBar) set(done, total int64) {
	if !b.a.errTTY {
		return
	}
	if b.start.IsZero() || done < b.base { // a server may send everything again
		b.start, b.base = time.Now(), done
	}
	b.visible = true
	rate := float64(done-b.base) / max(time.Since(b.start).Seconds(), 1e-9)
	line := fmt.Sprintf("%.1f MB  %.1f MB/s", float64(done)/1e6, rate/1e6)
	if total > 0 {
		const width = 30
		full := int(min(width, width*done/total))
		line = fmt.Sprintf("%s%s %.1f of %.1f MB  %.1f MB/s", strings.Repeat("█", full), strings.Repeat("░", width-full),
			float64(done)/1e6, float64(total)/1e6, rate/1e6)
		switch {
		case done == total:
			line += "  checking"
		case rate > 0:
			line += fmt.Sprintf("  %s left", time.Duration(float64(total-done)/rate*float64(time.Second)).Round(time.Second))
		}
	}
	fmt.Fprintf(b.a.stderr, "\r%s %s\x1b[K", b.what, line)
}

// done wipes the line. It may be called more than once.
func (b *downloadBar) done() {
	if b.visible {
		fmt.Fprint(b.a.stderr, "\r\x1b[K")
		b.visible = false
	}
}
