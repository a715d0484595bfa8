package main

import (
	"errors"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
)

// longestFindings is how many findings are printed for people.
const longestFindings = 12

// printNotes says what was understood of folders and lists.
func (a *app) printNotes(f *dataset.Folder) {
	for _, n := range f.Notes {
		a.sayWrapped("note: %s", n)
	}
}

// printFindings prints what the checks before a run found, the worst first; --json and the report
// have all of it.
func (a *app) printFindings(c *doctor.Checkup, notes []string) {
	var lines []string
	if c != nil {
		for _, severity := range []doctor.Severity{doctor.Fatal, doctor.Warning, doctor.Note} {
			for _, f := range c.Findings {
				if f.Severity == severity {
					lines = append(lines, string(f.Severity)+": "+f.Message)
				}
			}
		}
	}
	for _, n := range notes {
		lines = append(lines, "note: "+n)
	}
	for _, l := range lines[:min(len(lines), longestFindings)] {
		a.say("%s", oneLine(errors.New(l)))
	}
	if n := len(lines) - longestFindings; n > 0 {
		a.say("and %d more: see --json, the report or rehead doctor", n)
	}
}
