package main

import (
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
)

// longestFindings is how many findings are printed for people.
const longestFindings = 12

// printNotes says what was understood of folders and lists.
func (a *app) printNotes(f *dataset.Folder) {
	for _, n := range f.Notes {
		a.note("%s", a.severity(a.paintNote, "note: "+n))
	}
}

// examples is how many pictures are named with a finding.
const examples = 3

// printFindings prints what the checks before a run found, the worst first, with some of the
// pictures meant, but for what is in shown; --json, the report and rehead doctor have all of it.
func (a *app) printFindings(c *doctor.Checkup, notes []string, shown map[string]bool) {
	var lines []string
	add := func(line string) {
		if !shown[line] {
			shown[line], lines = true, append(lines, line)
		}
	}
	for _, severity := range []doctor.Severity{doctor.Fatal, doctor.Warning, doctor.Note} {
		for _, f := range c.Findings {
			if f.Severity == severity {
				add(findingLine(f))
			}
		}
	}
	for _, n := range notes {
		add("note: " + n)
	}
	for _, l := range lines[:min(len(lines), longestFindings)] {
		first, rest, more := strings.Cut(l, "\n")
		a.note("%s", a.severity(a.paintNote, first))
		if more {
			for path := range strings.SplitSeq(rest, "\n") {
				a.note("  %s", a.shortened(path, a.width()-2))
			}
		}
	}
	if n := len(lines) - longestFindings; n > 0 {
		a.note("and %d more: see the report or rehead doctor", n)
	}
}

// findingLine is a finding in words, what is more than a note with some of the pictures on lines of
// their own.
func findingLine(f doctor.Finding) string {
	line := string(f.Severity) + ": " + plain(f.Message)
	if f.Severity != doctor.Note && len(f.Images) > 0 {
		line += "\n" + strings.Join(f.Images[:min(len(f.Images), examples)], "\n")
		if len(f.Images) > examples {
			line += "\n..."
		}
	}
	return line
}
