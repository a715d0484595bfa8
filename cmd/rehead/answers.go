package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/inception"
)

// answerFlags say how `predict` writes its answers.
type answerFlags struct {
	format, file string
	asJSON       bool
}

func (o *answerFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "",
		"table for people, json (an object a line) or csv (a line a picture) (default: by the ending of --output, else table)")
	f.StringVarP(&o.file, "output", "o", "", "file to write the answers to, line by line (default and \"-\": stdout)")
	f.BoolVar(&o.asJSON, "json", false, "short for --format json")
}

// resolve settles the format.
func (o *answerFlags) resolve() error {
	if o.asJSON {
		if o.format != "" && o.format != "json" {
			return usagef("--json and --format %s: give one of them", o.format)
		}
		o.format = "json"
	}
	if o.format == "" {
		switch strings.ToLower(filepath.Ext(o.file)) {
		case ".csv":
			o.format = "csv"
		case ".json", ".jsonl", ".ndjson":
			o.format = "json"
		}
	}
	if o.file == "-" {
		o.file = ""
	}
	switch o.format {
	case "", "table", "json", "csv":
		return nil
	}
	return usagef("--format: got %q, want table, json or csv", o.format)
}

// open returns what writes an answer, and what ends the writing.
func (o *answerFlags) open(a *app, m *inception.Model, top int) (write func(prediction) error, done func() error,
	err error) {
	to, done := *a, func() error { return nil }
	if o.file != "" {
		if err := parentExists(o.file); err != nil {
			return nil, nil, err
		}
		f, err := os.Create(o.file)
		if err != nil {
			return nil, nil, fmt.Errorf("--output: %w", err)
		}
		to.stdout, done = f, f.Close
	}
	to.tty = to.tty || o.file != "" || o.format == "table" // a table that is asked for is a result
	switch o.format {
	case "json":
		return func(p prediction) error { return printJSON(to.stdout, p) }, done, nil
	case "csv":
		write, err := csvAnswers(to.stdout, min(top, len(m.Labels)), m.MultiLabel())
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		return write, done, nil
	}
	return func(p prediction) error {
		if p.Error == "" { // the last line of the command says it
			to.printPrediction(p)
		}
		return nil
	}, done, nil
}

// csvAnswers writes a header, and returns what writes a line for each picture.
func csvAnswers(w io.Writer, top int, several bool) (func(prediction) error, error) {
	c := csv.NewWriter(w)
	line := func(cells []string) error {
		err := c.Write(cells)
		c.Flush()
		return cmp.Or(err, c.Error())
	}
	header := []string{"image", "label", "probability"}
	for n := 2; n <= top; n++ {
		header = append(header, fmt.Sprintf("label_%d", n), fmt.Sprintf("probability_%d", n))
	}
	if several {
		header = append(header, "labels")
	}
	return func(p prediction) error {
		cells := []string{p.Image}
		for n := range top {
			if n >= len(p.Predictions) {
				cells = append(cells, "", "")
				continue
			}
			cells = append(cells, p.Predictions[n].Label,
				strconv.FormatFloat(float64(p.Predictions[n].Probability), 'g', -1, 32))
		}
		if several {
			cells = append(cells, strings.Join(p.Labels, "|"))
		}
		unknown := ""
		if p.Unknown != nil {
			unknown = strconv.FormatBool(*p.Unknown)
		}
		return line(append(cells, unknown, p.Error))
	}, line(append(header, "unknown", "error"))
}
