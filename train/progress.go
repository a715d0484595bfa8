package train

import (
	"sync"
	"time"

	"github.com/c236555e/rehead/train/head"
)

// Phase says what a run is busy with.
type Phase = head.Phase

// The phases of a run, in their order.
const (
	PhaseCheck Phase = "check" // the plan: one event for each Note
	PhaseHash  Phase = "hash"  // reading and checking pictures; counted in pictures
	// finding the ranges of an int8 trunk, where Config.Precision asks for one; counted in pictures
	PhaseCalibrate Phase = "calibrate"
	PhaseEmbed     Phase = "embed" // pictures through the trunk; counted in pictures
	// altered views of training pictures through the trunk, where Config.Views asks for some;
	// counted in views
	PhaseViews Phase = "views"
	// choosing what the head reads, where Config.Features asks for it; counted in candidates
	PhaseFeatures Phase = "features"
	PhaseSearch         = head.PhaseSearch // choosing L2; counted in fits
	PhaseFit            = head.PhaseFit    // solving for the head; counted in iterations of the solver
	PhasePass           = head.PhasePass   // a pass over shards, in RunShards; counted in rows
	PhaseMeasure  Phase = "measure"        // accuracy and the rest; counted in pictures
	// making thumbnails, where Config.Neighbours asks for some; counted in pictures
	PhaseKeep Phase = "keep"
)

// Event is progress: the solver's, and what the phases before and after it say.
type Event struct {
	head.Event
	// PhaseCheck: something worth knowing before time is spent; PhaseEmbed: what it will take, once
	// measured; a sentence, or ""
	Note string
	Bad  int // PhaseHash, PhaseEmbed: pictures that could not be read so far
}

// meter reports the progress of a phase that is counted in pictures.
type meter struct {
	mu      sync.Mutex
	phase   Phase
	began   time.Time
	last    time.Time
	done    int
	bad     int
	total   int
	said    string // to go with the next event
	send    func(Event)
	seconds map[Phase]float64
}

// meterPause is the least time between two events of one phase.
const meterPause = 100 * time.Millisecond

func newMeter(phase Phase, total int, send func(Event), seconds map[Phase]float64) *meter {
	m := &meter{phase: phase, began: time.Now(), total: total, send: send, seconds: seconds}
	m.report()
	return m
}

func (m *meter) step(bad bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done++
	if bad {
		m.bad++
	}
	if m.done < m.total && time.Since(m.last) >= meterPause {
		m.report()
	}
}

// at is step for a caller that counts for itself.
func (m *meter) at(done int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done = max(m.done, done); m.done < m.total && time.Since(m.last) >= meterPause {
		m.report()
	}
}

// note sends an event with something to say.
func (m *meter) note(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = text
	m.report()
}

// end sends the phase's last event.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seconds[m.phase] += time.Since(m.began).Seconds()
	m.done = m.total
	m.report()
}

func (m *meter) report() {
	m.last = time.Now()
	if m.send == nil {
		return
	}
	e := Event{Event: head.Event{Phase: m.phase, Done: m.done, Total: m.total, Elapsed: m.last.Sub(m.began)},
		Note: m.said, Bad: m.bad}
	m.said = ""
	if s := e.Elapsed.Seconds(); s > 0 {
		e.Rate = float64(m.done) / s
	}
	m.send(e)
}
