package report

import (
	"cmp"
	"fmt"

	"github.com/c236555e/rehead/inception"
)

// title names the page after its run, and says in a sentence what the run was.
func (in *Input) title(p *page) {
	m, run := in.Model, in.Run
	p.Run, p.Kind = run, "Training"
	from := fmt.Sprintf("from %d pictures", in.Metrics.Images)
	if in.Learning == nil {
		p.Kind, from = "Evaluation", fmt.Sprintf("measured on %d pictures", in.Metrics.Images)
	}
	if run.Data != "" {
		from += " of " + run.Data
	}
	p.name(m)
	p.Lead = fmt.Sprintf("%s report%s: %s, %s.", p.Kind, on(run.Date), describeHead(m), from)
}

// name gives the page its heading and the title of its window.
func (p *page) name(m *inception.Model) {
	p.Heading = cmp.Or(p.Run.Name, p.Run.Data, "Unnamed model")
	p.Trunk = fmt.Sprintf("%s, width %g", m.Flavor, m.Width)
	p.Features = m.Reads.String()
	p.Title = p.Heading + " \u00b7 " + p.Trunk
	if p.Run.Date != "" {
		p.Title += " \u00b7 " + p.Run.Date
	}
}

// on is a date in a sentence.
func on(date string) string {
	if date == "" {
		return ""
	}
	return " of " + date
}

// describeHead says in a few words what a model is.
func describeHead(m *inception.Model) string {
	kind := "a softmax head"
	if m.MultiLabel() {
		kind = "a head of sigmoids"
	}
	return fmt.Sprintf("%s for %d labels on %d values (%s) of a frozen InceptionV3 (%s, width %g)", kind, len(m.Labels),
		m.Head.Features, m.Reads, m.Flavor, m.Width)
}
