package metrics

import "slices"

// recall says which of the pictures were in the model's training.
func (d Predictions) recall(m *Metrics) {
	if !d.Evaluation {
		return
	}
	if m.Recalled = "unknown"; d.Strange == nil {
		return
	}
	m.Seen, m.Unseen, m.Recalled = new(Part), new(Part), "some"
	if !slices.Contains(d.Strange, true) {
		m.Recalled = "all"
	} else if !slices.Contains(d.Strange, false) {
		m.Recalled = "none"
	}
}

// parted tells whether Train, Validation and Test mean anything.
func (m *Metrics) parted() bool { return m.Recalled != "some" && m.Recalled != "none" }

// partOf is the part of picture i, or "new".
func (d Predictions) partOf(i int) string {
	if d.Strange != nil && d.Strange[i] {
		return "new"
	}
	return d.Items[i].Split.String()
}

// counted lists what a picture counts in: all, its part, and what was seen or not.
func (m *Metrics) counted(part *Part, name string) []*Part {
	in := []*Part{&m.All}
	if m.parted() {
		in = append(in, part)
	}
	switch {
	case m.Seen == nil:
		return in
	case name == "new" || name == "test":
		return append(in, m.Unseen)
	}
	return append(in, m.Seen)
}
