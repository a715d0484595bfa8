package main

import (
	"fmt"
	"strings"
	"time"
)

// transfer shows how far a download is, on a terminal; nothing elsewhere.
type transfer struct {
	a       *app
	what    string
	base    int64     // what was there when it began
	start   time.Time // of the first report
	visible bool
}

func (a *app) transfer(what string) *transfer { return &transfer{a: a, what: what} }

// set reports that done of total bytes are here; total is 0 when unknown.
func (t *transfer) set(done, total int64) {
	if !t.a.errTTY {
		return
	}
	if t.start.IsZero() || done < t.base { // a server may send everything again
		t.start, t.base = time.Now(), done
	}
	t.visible = true
	rate := float64(done-t.base) / max(time.Since(t.start).Seconds(), 1e-9)
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
	fmt.Fprintf(t.a.stderr, "\r%s %s\x1b[K", t.what, line)
}

// done wipes the line. It may be called more than once.
func (t *transfer) done() {
	if t.visible {
		fmt.Fprint(t.a.stderr, "\r\x1b[K")
		t.visible = false
	}
}
