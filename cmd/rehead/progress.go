package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/train"
)

// progress shows how far a long step is: a bar that redraws itself on a terminal; elsewhere a line
// now and then, when the step is long.
type progress struct {
	a       *app
	what    string
	unit    string // what is counted, in the plural
	n, of   int
	start   time.Time
	begun   time.Time // when the first base were done
	base    int
	drawn   time.Time
	visible bool
	early   bool // it may end before n is of
	hidden  bool
}

// unknownMany is how many a step has where that is not known before its end.
const unknownMany = -1

// The pauses between two pictures of the bar, and between two lines where there is no terminal.
const (
	barPause  = 100 * time.Millisecond
	linePause = 15 * time.Second
)

func (a *app) progress(what, unit string, of int) *progress {
	now := time.Now()
	return &progress{a: a, what: what, unit: unit, of: of, start: now, drawn: now.Add(-barPause)}
}

func (p *progress) add(n int) { p.set(p.n + n) }

func (p *progress) set(n int) {
	p.n = n
	if p.of == 0 || p.hidden {
		return
	}
	if p.of == unknownMany {
		p.count()
		return
	}
	now := time.Now()
	since := now.Sub(p.drawn)
	rate := p.rate(now)
	left := time.Duration(min(float64(p.of-n)/max(rate, 1e-9), 1e7) * float64(time.Second)).Round(time.Second)
	switch {
	case p.a.errTTY && (since >= barPause || n == p.of):
		fmt.Fprintf(p.a.stderr, "\r%s\x1b[K", p.line(p.a.width(), rate, left))
		p.visible = true
	case !p.a.errTTY && n > 0 && n < p.of && since >= linePause:
		fmt.Fprintf(p.a.stderr, "%s: %d of %d %s, %.1f a second, %s%s left\n", p.what, n, p.of, p.unit, rate, p.most(), left)
	default:
		return
	}
	p.drawn = now
}

// count is set where it is not known how many there are.
func (p *progress) count() {
	if now := time.Now(); p.a.errTTY && now.Sub(p.drawn) >= barPause {
		line := shorten(fmt.Sprintf("%s: %d %s  %.1f/s", p.what, p.n, p.unit, p.rate(now)), p.a.width()-1)
		fmt.Fprintf(p.a.stderr, "\r%s\x1b[K", line)
		p.visible, p.drawn = true, now
	}
}

// rate is how many are done a second, from the first ones on: what went before them was getting ready.
func (p *progress) rate(now time.Time) float64 {
	if p.n > 0 && p.base == 0 {
		p.base, p.begun = p.n, now
	}
	if p.n > p.base {
		return float64(p.n-p.base) / max(now.Sub(p.begun).Seconds(), 1e-9)
	}
	return float64(p.n) / max(now.Sub(p.start).Seconds(), 1e-9)
}

// most goes before a time that may be less.
func (p *progress) most() string {
	if p.early {
		return "at most "
	}
	return ""
}

// widestBar is how long a bar is where there is room for it.
const widestBar = 24

// line is the bar with its numbers, narrower than width columns so that it never breaks into two.
// What it has no room for it leaves out: the bar first, then the rate.
func (p *progress) line(width int, rate float64, left time.Duration) string {
	counted := fmt.Sprintf(" %d/%d", p.n, p.of)
	time := ""
	if p.n > 0 {
		time = fmt.Sprintf("  %s%s left", p.most(), left)
	}
	numbers := counted + fmt.Sprintf(" %s  %.1f/s", p.unit, rate) + time
	if width <= cells(p.what)+len(numbers) {
		numbers = counted + time
	}
	bar := min(widestBar, width-2-cells(p.what)-len(numbers))
	line := p.what
	if bar > 3 {
		full := min(bar, bar*p.n/p.of)
		line += " " + p.a.paintNote(green, strings.Repeat("█", full)) + strings.Repeat("░", bar-full)
		return line + numbers
	}
	return shorten(line+numbers, max(width-1, 1))
}

// done wipes the bar. It may be called more than once.
func (p *progress) done() {
	if p.visible {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
		p.visible = false
	}
}

// phases says in words what a run is busy with, and what is counted meanwhile.
var phases = map[train.Phase][2]string{
	train.PhaseHash:      {"reading and checking", "pictures"},
	train.PhaseCalibrate: {"finding int8 ranges", "pictures"},
	train.PhaseEmbed:     {"computing features", "pictures"},
	train.PhaseViews:     {"computing features", "views"},
	train.PhaseFeatures:  {"choosing features", "candidates"},
	train.PhaseSearch:    {"choosing L2", "fits"},
	train.PhaseFit:       {"solving for the head", "iterations"},
	train.PhasePass:      {"passing over the shards", "rows"},
	train.PhaseMeasure:   {"measuring", "pictures"},
	train.PhaseKeep:      {"making thumbnails", "pictures"},
}

// trainProgress shows a run: a bar for each phase on a terminal; elsewhere lines, among them the
// losses and accuracies on the way.
type trainProgress struct {
	a     *app
	bar   *progress
	phase train.Phase
	notes []string        // of the plan
	shown map[string]bool // findings and notes
}

func (a *app) trainProgress() *trainProgress { return &trainProgress{a: a, shown: map[string]bool{}} }

func (p *trainProgress) event(e train.Event) {
	if e.Phase == train.PhaseCheck { // printed with what the checks found
		p.notes = append(p.notes, e.Note)
		return
	}
	if e.Note != "" {
		p.done()
		p.a.note("%s", e.Note)
	}
	if p.bar == nil || e.Phase != p.phase {
		p.done()
		p.phase, p.bar = e.Phase, p.a.progress(phases[e.Phase][0], phases[e.Phase][1], e.Total)
	}
	if !p.a.errTTY && e.Phase == train.PhaseFit {
		p.metrics(e)
		return
	}
	p.bar.of, p.bar.early = e.Total, e.Phase == train.PhaseFit // which ends when the head is solved for
	p.bar.set(e.Done)
}

// checked prints what the checks found, before the long work.
func (p *trainProgress) checked(c *doctor.Checkup) {
	p.done()
	p.a.printFindings(c, p.notes, p.shown)
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
	p.a.note("%s", line)
}

func sixDigits(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

func (p *trainProgress) done() {
	if p.bar != nil {
		p.bar.done()
	}
}
