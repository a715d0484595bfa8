package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/metrics"
	"github.com/c236555e/rehead/train/report"
)

// compareOptions is the command line of `compare`.
type compareOptions struct {
	evaluateOptions
	part string
}

// comparison is what `compare --json` prints.
type comparison struct {
	NameA string `json:"a"`
	NameB string `json:"b"`
	metrics.Paired
}

func newCompare(a *app) *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare A B [DIR|ARCHIVE|MANIFEST]",
		Short: "Compare two models, or two runs, on the same pictures",
		Long: `Compares what two models say of the same labelled pictures: how often each is
right, whether the difference may be chance (McNemar's exact test on the
pictures that one alone has right), and of which pictures they say different
things.

A and B are models, measured on the pictures of DIR, or files that "rehead
evaluate --predictions" wrote, which need no DIR and no network.

By default pictures count that neither was trained or tuned on; --part all
counts every one.`,
		Example: `  rehead compare model.bak-1 model flower_photos
  rehead compare model.bak-1 model flower_photos --report compare.html
  rehead compare monday.csv tuesday.csv --json`,
		Args: needArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error { return a.compare(cmd.Context(), args, &o) },
	}
	o.engine.add(cmd, a)
	o.engine.addTrunk(cmd)
	o.limits.add(cmd)
	o.data.addManifest(cmd, a)
	f := cmd.Flags()
	f.StringVar(&o.part, "part", "held-out",
		"which pictures: held-out, those that neither model was trained or tuned on, or all")
	f.StringVar(&o.cache, "cache", "", "folder of the bottleneck cache, as for train")
	f.IntVar(&o.cfg.MaxBad, "max-bad", 0, "maximum unreadable pictures before giving up, as for train")
	f.IntVar(&o.cfg.Batch, "batch", 0, "maximum pictures per forward pass (0: chosen for this machine)")
	f.StringVar(&o.report, "report", "", "file to write the comparison to as an HTML page")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	first(cmd, "part report json")
	return cmd
}

func (a *app) compare(ctx context.Context, args []string, o *compareOptions) error {
	if err := errors.Join(oneOf("part", o.part, "held-out", "all"), a.reportFolder("--report", o.report)); err != nil {
		return err
	}
	var sides [2][]metrics.Picture
	var names [2]string
	for i, arg := range args[:2] {
		var err error
		if strings.EqualFold(filepath.Ext(arg), ".csv") {
			names[i] = filepath.Base(arg)
			err = a.withFile(arg, func(local string) error {
				sides[i], err = readPredictions(local)
				return err
			})
		} else {
			if len(args) < 3 {
				return usagef("compare: %s is a model: name the pictures to measure on, too, or give files of evaluate "+
					"--predictions", arg)
			}
			sides[i], names[i], err = a.answersOn(ctx, arg, args[2], o)
		}
		if err != nil {
			return err
		}
	}
	if names[0] == names[1] {
		names = [2]string{args[0], args[1]}
	}
	if o.part != "all" {
		for i := range sides {
			sides[i] = slices.DeleteFunc(sides[i], func(p metrics.Picture) bool { return p.Part != "test" && p.Part != "new" })
		}
	}
	c := comparison{names[0], names[1], metrics.Pair(sides[0], sides[1])}
	if c.Images == 0 {
		return fmt.Errorf("compare: %s and %s have no picture in common that neither was trained or tuned on: give other "+
			"pictures, or --part all", args[0], args[1])
	}
	err := writeReport(a, "--report", o.report, func() ([]byte, error) {
		return report.Compare(c.NameA, c.NameB, c.verdict(), c.Paired)
	})
	if o.asJSON {
		return errors.Join(printJSON(a.stdout, c), err)
	}
	a.printComparison(c)
	return err
}

// answersOn is what a model says of pictures, and what it is called.
func (a *app) answersOn(ctx context.Context, path, pictures string, o *compareOptions) (_ []metrics.Picture,
	name string, err error) {
	cfg := o.cfg
	if cfg.Engine, err = o.engine.config(); err != nil {
		return nil, "", err
	}
	cfg.Limits = o.limits.limits()
	if cfg.CacheDir, err = a.cacheDir(o.cache); err != nil {
		return nil, "", err
	}
	model, err := o.engine.model(path)
	if err != nil {
		return nil, "", err
	}
	data := o.data
	data.multiLabel = model.MultiLabel()
	folder, err := data.open(pictures, 1)
	if err != nil {
		return nil, "", err
	}
	p := a.trainProgress()
	defer p.done()
	cfg.Progress = p.event
	result, err := train.Evaluate(ctx, model, folder, cfg)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	name = filepath.Base(filepath.Clean(path))
	if model.Name != "" && model.Name != name {
		name += " (" + model.Name + ")"
	}
	return result.Pictures, name, nil
}

// verdict is what the comparison says, in a sentence.
func (c *comparison) verdict() string {
	alone := c.OnlyA + c.OnlyB
	if alone == 0 {
		return fmt.Sprintf("Both are right about the same of %s.", plural.Count(c.Images, "picture"))
	}
	better, other, more := c.NameA, c.NameB, c.OnlyA
	if c.OnlyB > c.OnlyA {
		better, other, more = c.NameB, c.NameA, c.OnlyB
	}
	if c.P >= 0.05 {
		return fmt.Sprintf("The difference may be chance (p = %.3g): of %s that one alone has right, %d are %s's.", c.P,
			plural.Count(alone, "picture"), more, better)
	}
	return fmt.Sprintf("%s is better than %s (p = %.3g): of %s that one alone has right, %d are its.", better, other, c.P,
		plural.Count(alone, "picture"), more)
}

func (a *app) printComparison(c comparison) {
	t := table{head: []string{"", "right", "alone", "accuracy", "95 % interval"}, right: "lrrrl"}
	row := func(name string, alone int, accuracy float64, interval [2]float64) {
		t.row(name, strconv.Itoa(c.Both+alone), strconv.Itoa(alone), percent(accuracy),
			fmt.Sprintf("%.2f to %.2f", 100*interval[0], 100*interval[1]))
	}
	row("A  "+c.NameA, c.OnlyA, c.A, c.IntervalA)
	row("B  "+c.NameB, c.OnlyB, c.B, c.IntervalB)
	a.printTable(&t, "")
	a.sayWrapped("%s; both right about %d, both wrong about %d", plural.Count(c.Images, "picture"), c.Both, c.Neither)
	a.sayWrapped("%s", a.paint(bold, c.verdict()))
	if len(c.Changed) == 0 {
		return
	}
	a.say("\n%s of which they say different things:", plural.Count(len(c.Changed), "picture"))
	changed := table{head: []string{"picture", "label", "A says", "B says"}, right: "llll"}
	for _, d := range c.Changed[:min(len(c.Changed), longest)] {
		changed.row(d.Image, d.Label, d.A, d.B)
	}
	a.printTable(&changed, "  ")
	a.more(len(c.Changed))
}

// readPredictions reads what writePredictions wrote. Pictures are known by their whole paths.
func readPredictions(path string) ([]metrics.Picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	r := csv.NewReader(f)
	head, err := r.Read()
	want := []string{"path", "part", "label", "answer", "probability"}
	if err != nil || len(head) < len(want) || !slices.Equal(head[:len(want)], want) {
		return nil, fmt.Errorf("%s: want a file that rehead evaluate --predictions wrote, whose first row begins with %s",
			path, strings.Join(want, ","))
	}
	var out []metrics.Picture
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		p, err := strconv.ParseFloat(row[4], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: the probability is %q, want a number", path, row[0], row[4])
		}
		out = append(out, metrics.Picture{Rel: row[0], Part: row[1], Label: row[2], Predicted: row[3], Probability: p})
	}
}
