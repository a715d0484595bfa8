package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/answer"
)

// answerFlags say how `predict` writes its answers.
type answerFlags struct {
	format, file string
	asJSON       bool
}

func (o *answerFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "",
		"table for people, json (an object a line) or csv (a line a picture) (default: by the ending "+
			"of --output, else table)")
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

// answers takes the answers of a run.
type answers struct {
	write func(prediction) error // one more
	file  *answerFile            // that they go to, if the next run can go on with it
	close func() error           // of any other file
	put   func() error           // the file to where it was asked for, once it is whole
}

// open begins the answers of a run, or goes on with those of one that was cut.
func (o *answerFlags) open(a *app, m *inception.Model, run answersOf) (*answers, error) {
	out, to := &answers{close: func() error { return nil }, put: func() error { return nil }}, *a
	header, several := "", m.MultiLabel()
	top := min(run.Top, len(m.Labels))
	if o.format == "csv" {
		var b strings.Builder
		if err := csvWriter(&b)(answer.Header(top, several)); err != nil {
			return nil, err
		}
		header = b.String()
	}
	if o.file != "" {
		path, err := o.begin(a, out, header, run)
		if err != nil {
			return nil, err
		}
		to.stdout = out.file
		if out.file == nil {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
			if err != nil {
				return nil, fmt.Errorf("--output: %w", err)
			}
			to.stdout, out.close = f, f.Close
		}
	}
	if out.file == nil {
		if _, err := io.WriteString(to.stdout, header); err != nil {
			return nil, errors.Join(err, out.close())
		}
	}
	to.tty = to.tty && o.file == ""
	switch o.format {
	case "json":
		out.write = func(p prediction) error { return printJSON(to.stdout, p) }
	case "csv":
		row := csvWriter(to.stdout)
		out.write = func(p prediction) error { return row(p.Cells(top, several)) }
	default:
		out.write = func(p prediction) error {
			if p.Error == "" { // the last line of the command says it
				to.printPrediction(p)
			}
			return nil
		}
	}
	return out, nil
}

// begin opens the file of the answers if the next run can go on with it: not a table, and no pipe. path is
// where it lies.
func (o *answerFlags) begin(a *app, out *answers, header string, run answersOf) (path string, err error) {
	path = o.file
	if err := a.checkOutput(path); err != nil {
		return "", err
	}
	if inBucket(path) {
		if path, out.put, err = a.answersHere(path); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(path)
	regular := err != nil || info.Mode().IsRegular()
	if !regular && info.IsDir() {
		return "", fmt.Errorf("--output: %s is a folder, want a file such as %s", path, filepath.Join(path, "answers.csv"))
	}
	if regular && (o.format == "csv" || o.format == "json") {
		out.file, err = openAnswers(path, header, run)
		return path, err
	}
	if _, err := os.Stat(path + unfinished); err == nil {
		return "", fmt.Errorf("--output: %s is not finished, and a table cannot go on with it: finish it with the same "+
			"format, delete it and %s, or name another file", path, path+unfinished)
	}
	return path, nil
}

// answersHere is where the answers for an address are gathered until they are whole: in the cache, so that
// the next run finds what a run that was cut has. put writes them to the bucket, and removes them here.
func (a *app) answersHere(address string) (path string, put func() error, err error) {
	root, err := a.cacheRoot()
	if err != nil {
		return "", nil, fmt.Errorf("--output: %s: its answers are gathered in the cache: %w", address, err)
	}
	where := sha256.Sum256([]byte(source.Clean(address)))
	dir := filepath.Join(root, "answers", hex.EncodeToString(where[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("--output: %s: its answers are gathered in the cache: %w", address, err)
	}
	path = filepath.Join(dir, filepath.Base(source.Clean(address)))
	return path, func() error {
		err := a.writeFile(address, func(w io.Writer) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			_, err = io.Copy(w, f)
			return errors.Join(err, f.Close())
		})
		if err != nil {
			return fmt.Errorf("--output: %w", err)
		}
		return os.Remove(path)
	}, nil
}

// skip returns those of the pictures, which must come in their order, that no earlier run has
// answered for; passed hears of the others.
func (w *answers) skip(group []given, passed func(prediction)) ([]given, error) {
	if w.file == nil {
		return group, nil
	}
	for len(group) > 0 {
		yes, failed, err := w.file.answered(group[0].Path)
		if err != nil || !yes {
			return group, err
		}
		passed(prediction{Row: answer.Row{Image: group[0].Path, Error: failed}})
		group = group[1:]
	}
	return nil, nil
}

// end closes the answers after a run that ended with err.
func (w *answers) end(err error) error {
	switch {
	case w.file == nil:
		if err = errors.Join(err, w.close()); err == nil {
			err = w.put()
		}
		return err
	case err != nil:
		return errors.Join(err, w.file.stop())
	}
	return w.file.finish(w.put)
}

// csvWriter returns what writes a row at a time.
func csvWriter(w io.Writer) func(cells []string) error {
	c := csv.NewWriter(w)
	return func(cells []string) error {
		err := c.Write(cells)
		c.Flush()
		return cmp.Or(err, c.Error())
	}
}
