package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/train/metrics"
)

// correctionsHelp is the help of --write-corrections.
const correctionsHelp = "CSV file to write a row to for each picture that was found fault with: edit its actions " +
	"(keep, drop, label), then give it to train --corrections"

// proposals are the rows of a corrections file for what was found: what is certain is to be dropped,
// what a person has to look at is kept until they say otherwise.
func proposals(c *doctor.Checkup, errs *metrics.LabelErrors) []dataset.Proposal {
	var rows []dataset.Proposal
	met := map[string]bool{}
	add := func(path, action, label, reason string) {
		if !met[path] {
			met[path] = true
			rows = append(rows, dataset.Proposal{Path: path, Action: action, Label: label, Reason: reason})
		}
	}
	for _, p := range c.Unread() {
		add(p.Path, dataset.ActionDrop, "", "cannot be read: "+plain(p.Reason))
	}
	if errs != nil {
		for _, e := range errs.List {
			add(e.Image, dataset.ActionKeep, e.Suggested, fmt.Sprintf("is %s, looks like %s (probability %.2f)", e.Label,
				e.Suggested, e.Probability))
		}
	}
	for _, d := range c.Disagreements {
		add(d.Image, dataset.ActionKeep, d.Suggested, fmt.Sprintf("is %s, its neighbours are %s (%.0f %%)", d.Label,
			d.Suggested, 100*d.Share))
	}
	for _, kind := range []struct {
		groups []doctor.Duplicates
		what   string
	}{{c.Duplicates, "equal to "}, {c.NearDuplicates, "nearly equal to "}} {
		for _, g := range kind.groups {
			for i, path := range g.Images {
				switch other := g.Images[0]; {
				case len(g.Labels) > 1:
					if i == 0 {
						other = g.Images[1]
					}
					add(path, dataset.ActionKeep, "", kind.what+other+", under the labels "+strings.Join(g.Labels, ", "))
				case i > 0 && g.Distance == 0:
					add(path, dataset.ActionDrop, "", kind.what+other)
				case i > 0:
					add(path, dataset.ActionKeep, "", kind.what+other)
				}
			}
		}
	}
	return rows
}

// readCorrections reads the file that --corrections names; nothing where none is given.
func (a *app) readCorrections(path string) (c []dataset.Correction, err error) {
	if path == "" {
		return nil, nil
	}
	err = a.withFile(path, func(local string) error {
		c, err = dataset.ReadCorrections(local)
		return err
	})
	return c, err
}

// writeCorrections writes them whole or not at all; nothing where no file is asked for.
func (a *app) writeCorrections(path string, rows []dataset.Proposal) error {
	if path == "" {
		return nil
	}
	if err := a.writeFile(path, func(w io.Writer) error { return dataset.WriteCorrections(w, rows) }); err != nil {
		return fmt.Errorf("--write-corrections: %w", err)
	}
	a.note("%s written to %s: edit the actions, then train --corrections %s", plural.Count(len(rows), "row"), path, path)
	return nil
}
