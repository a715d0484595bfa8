package main

import (
	"fmt"
	"strings"
	"time"
)

// progress shows how far a long step is: a bar that redraws itself on a terminal, nothing elsewhere.
type progress struct {
	a       *app
	what    string
	n, of   int
	start   time.Time
	drawn   time.Time
	visible bool
}

func (a *app) progress(what string, of int) *progress {
	return &progress{a: a, what: what, of: of, start: time.Now()}
}

func (p *progress) add(n int) { p.set(p.n + n) }

func (p *progress) set(n int) {
	p.n = n
	now := time.Now()
	if !p.a.errTTY || p.of == 0 || now.Sub(p.drawn) < 100*time.Millisecond && n < p.of {
		return
	}
	p.drawn, p.visible = now, true
	const width = 30
	full := min(width, width*n/p.of)
	rate := float64(n) / max(now.Sub(p.start).Seconds(), 1e-9)
	left := time.Duration(float64(p.of-n) / max(rate, 1e-9) * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(p.a.stderr, "\r%s %s%s %d/%d  %.1f/s  %s left \x1b[K", p.what, strings.Repeat("█", full), strings.Repeat("░", width-full), n, p.of, rate, left)
}

// done wipes the bar. It may be called more than once.
func (p *progress) done() {
	if p.visible {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
		p.visible = false
	}
}
