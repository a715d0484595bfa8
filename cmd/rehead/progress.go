package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/c236555e/rehead/train"
)

// progress shows how far a long step is: a bar that redraws itself on a terminal; elsewhere a line
// now and then, when the step is long.
type progress struct {
	a       *app
	what    string
	n, of   int
	start   time.Time
	drawn   time.Time
	visible bool
	early   bool // it may end before n is of
}

// The pauses between two pictures of the bar, and between two lines where there is no terminal.
const (
	barPause  = 100 * time.Millisecond
	linePause = 15 * time.Second
)

func (a *app) progress(what string, of int) *progress {
	now := time.Now()
	return &progress{a: a, what: what, of: of, start: now, drawn: now.Add(-barPause)}
}

func (p *progress) add(n int) { p.set(p.n + n) }

func (p *progress) set(n int) {
	p.n = n
	if p.of == 0 {
		return
	}
	now := time.Now()
	since := now.Sub(p.drawn)
	rate := float64(n) / max(now.Sub(p.start).Seconds(), 1e-9)
	left := time.Duration(min(float64(p.of-n)/max(rate, 1e-9), 1e7) * float64(time.Second)).Round(time.Second)
	switch {
	case p.a.errTTY && (since >= barPause || n == p.of):
		fmt.Fprintf(p.a.stderr, "\r%s\x1b[K", p.line(p.a.width(), rate, left))
		p.visible = true
	case !p.a.errTTY && n > 0 && n < p.of && since >= linePause:
		fmt.Fprintf(p.a.stderr, "%s: %d of %d, %.1f a second, %s left\n", p.what, n, p.of, rate, left)
	default:
		return
	}
	p.drawn = now
}

// widestBar is how long a bar is where there is room for it.
const widestBar = 30

// line is the bar with its numbers, shorter than width columns so that it never breaks into two.
func (p *progress) line(width int, rate float64, left time.Duration) string {
	most := ""
	if p.early {
		most = "at most "
	}
	numbers := fmt.Sprintf(" %d/%d  %.1f/s  %s%s left", p.n, p.of, rate, most, left)
	bar := min(widestBar, width-2-utf8.RuneCountInString(p.what)-len(numbers))
	line := p.what
	if bar > 3 {
		full := min(bar, bar*p.n/p.of)
		line += " " + strings.Repeat("█", full) + strings.Repeat("░", bar-full)
	}
	text := []rune(line + numbers)
	return string(text[:min(len(text), max(width-1, 1))])
}

// done wipes the bar. It may be called more than once.
func (p *progress) done() {
	if p.visible {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
		p.visible = false
	}
}

// trainProgress shows a run: a bar for each phase on a terminal; elsewhere lines, among them the
// losses and accuracies on the way.
type trainProgress struct {
	a     *app
	bar   *progress
	phase train.Phase
}

func (a *app) trainProgress() *trainProgress { return &trainProgress{a: a} }

func (p *trainProgress) event(e train.Event) {
	if e.Note != "" && e.Phase != train.PhaseCheck { // those of the check are printed with its findings
		p.done()
		p.a.say("%s", e.Note)
	}
	if e.Phase == train.PhaseCheck {
		return
	}
	if p.bar == nil || e.Phase != p.phase {
		p.done()
		p.phase, p.bar = e.Phase, p.a.progress(string(e.Phase), e.Total)
	}
	if !p.a.errTTY && e.Phase == train.PhaseFit {
		p.metrics(e)
		return
	}
	p.bar.of, p.bar.early = e.Total, e.Phase == train.PhaseFit // which ends when the head is solved for
	p.bar.set(e.Done)
}

// metrics prints a moment of the solver at which accuracies were measured, as metric definitions
// want it.
func (p *trainProgress) metrics(e train.Event) {
	if math.IsNaN(e.TrainAccuracy) {
		return
	}
	line := fmt.Sprintf("iteration %d: train:objective=%s train:accuracy=%s", e.Done, sixDigits(e.Loss),
		sixDigits(e.TrainAccuracy))
	if !math.IsNaN(e.ValidationAccuracy) {
		line += " validation:accuracy=" + sixDigits(e.ValidationAccuracy) + " validation:loss=" + sixDigits(e.ValidationLoss)
	}
	p.a.say("%s", line)
}

func sixDigits(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

func (p *trainProgress) done() {
	if p.bar != nil {
		p.bar.done()
	}
}
