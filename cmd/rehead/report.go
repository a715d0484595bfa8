package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/report"
)

func newReport(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report MODEL...",
		Short: "Write the report of a model again, and an index of several",
		Long: `Writes the report of a training from what its model keeps: neither the pictures
nor the trunk are needed. Of several models it writes a folder: a report for
each, and index.html with a row for each, to sort and to follow. A model of an
older rehead keeps its metrics alone; its report says what it lacks.`,
		Example: `  rehead report model -o flowers.html
  rehead report runs/* -o reports`,
		Args: needArgs(1, -1),
		RunE: func(_ *cobra.Command, args []string) error { return a.reports(args, out) },
	}
	cmd.Flags().StringVarP(&out, "output", "o", "",
		"file to write to (default report.html); of several models the folder (default reports)")
	return cmd
}

// reports writes the report of each model, and of several an index of them.
func (a *app) reports(models []string, out string) error {
	if len(models) == 1 {
		page, err := a.reportOf(models[0])
		if err != nil {
			return err
		}
		return a.writePage(cmp.Or(out, "report.html"), page.HTML)
	}
	out = cmp.Or(out, "reports")
	if err := a.makeOutputs(out); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	var runs []report.Entry
	taken := map[string]bool{"index.html": true}
	for _, model := range models {
		page, err := a.reportOf(model)
		if err != nil {
			return err
		}
		name := modelName(model) + ".html"
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d.html", modelName(model), n)
		}
		taken[name] = true
		if err := a.writePage(source.Join(out, name), page.HTML); err != nil {
			return err
		}
		runs = append(runs, report.Entry{Page: page, Link: name})
	}
	return a.writePage(source.Join(out, "index.html"), func() ([]byte, error) { return report.Index(runs) })
}

// writePage writes a page whole or not at all.
func (a *app) writePage(path string, make func() ([]byte, error)) error {
	if err := a.reportFolder("--output", path); err != nil {
		return err
	}
	return writeReport(a, "--output", path, make)
}

// reportOf is the report of a model.
func (a *app) reportOf(path string) (*report.Page, error) {
	m, err := a.openModel(path)
	if err != nil {
		return nil, err
	}
	var s train.Settings
	if len(m.Training) > 0 {
		if err := json.Unmarshal(m.Training, &s); err != nil {
			return nil, fmt.Errorf("%s: its settings: %w", path, err)
		}
	}
	page, err := report.OfModel(m, report.Run{Name: cmp.Or(m.Name, modelName(path)), Data: s.Data, Date: s.Date})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return page, nil
}

// modelName is what people call the model at a path.
func modelName(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), ".tar")
}

// today is the day of a run: that of SOURCE_DATE_EPOCH where that is set, so that a run can be made
// again to the same bytes on another day.
func (a *app) today() string {
	now := time.Now()
	if s, err := strconv.ParseInt(a.getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		now = time.Unix(s, 0)
	}
	return now.UTC().Format(time.DateOnly)
}
