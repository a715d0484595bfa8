package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
)

// doctorOptions is the command line of `doctor`.
type doctorOptions struct {
	engine  engineFlags
	limits  limitFlags
	data    dataFlags
	weights string
	cache   string
	memory  int64
	asJSON  bool
	correct string // corrections file to write, "" for none
	cfg     doctor.Config
	refine  doctor.RefineConfig
}

func newDoctor(a *app) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor DIR|ARCHIVE|MANIFEST",
		Short: "Check a training set: bad files, duplicates, doubtful labels, cost",
		Long: `Decodes every picture and lists what would hurt training: files that cannot be
read, odd sizes, tiny or unbalanced labels, equal and nearly equal pictures
within and across labels, and what training will cost. It changes nothing in
DIR.

With --weights it embeds the pictures too, through the bottleneck cache that a
later training run finds, and lists pictures whose nearest neighbours have
another label.

The exit code is 0 with findings, too; 1 only when training is impossible.`,
		Example: `  rehead doctor flower_photos
  rehead doctor flowers.csv --weights embedded --json
  rehead doctor flower_photos --weights embedded --write-corrections fix.csv`,
		Args: needArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.doctor(cmd.Context(), args[0], &o) },
	}
	o.engine.add(cmd, a)
	o.limits.add(cmd)
	o.data.add(cmd, a)
	f := cmd.Flags()
	f.StringVar(&o.weights, "weights", "", weightsHelp+"; without it nothing is embedded")
	f.StringVar(&o.cache, "cache", "", "folder of the bottleneck cache, as for train")
	f.Int64Var(&o.memory, "memory", 512, "MiB of decoded pictures to hold at a time; the process may take twice that")
	f.IntVar(&o.cfg.MinImages, "min-images", 0, "fewer readable pictures than this make a label tiny (0: 20)")
	f.IntVar(&o.cfg.MinSide, "min-side", 0, "a picture with a side shorter than this, in pixels, is small (0: 32)")
	f.Float64Var(&o.cfg.MaxAspect, "max-aspect", 0, "maximum ratio of a picture's long side to its short one (0: 5)")
	f.Float64Var(&o.cfg.MaxImbalance, "max-imbalance", 0, "maximum ratio of the largest label to the smallest (0: 10)")
	f.Float64Var(&o.refine.Margin, "min-margin", 0,
		"share of the neighbours' votes, below 1, by which another label must lead (0: 0.5)")
	f.StringVar(&o.correct, "write-corrections", "", correctionsHelp)
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	first(cmd, "weights write-corrections json")
	return cmd
}

func (a *app) doctor(ctx context.Context, dir string, o *doctorOptions) error {
	engine, err := o.engine.config()
	if err != nil {
		return err
	}
	if o.correct != "" {
		if err := a.checkOutput(o.correct); err != nil {
			return err
		}
	}
	cacheDir, err := a.cacheDir(o.cache)
	if err != nil {
		return err
	}
	var w *inception.Weights
	if o.weights != "" {
		if w, err = a.resolve(o.weights); err != nil {
			return err
		}
		o.cfg.Recipe, o.cfg.Features = &w.Recipe, w.Features()
	}
	folder, err := o.data.open(dir, 1)
	if err != nil { // nothing to train on: said in both forms
		if o.asJSON {
			return errors.Join(err, printJSON(a.stdout, doctor.Hopeless(dir, err)))
		}
		return err
	}
	a.printNotes(folder)
	o.cfg.Limits, o.cfg.Workers, o.cfg.Memory = o.limits.limits(), engine.Threads, o.memory<<20
	bar := a.progress("reading and checking", "pictures", len(folder.Items))
	defer bar.done()
	o.cfg.Progress = func(done, _ int) { bar.set(done) }
	c, err := doctor.Check(ctx, folder, o.cfg)
	bar.done()
	if err != nil {
		return err
	}
	if w != nil && c.Trainable {
		cfg := train.EmbedConfig{CacheDir: cacheDir, Engine: engine, Limits: o.cfg.Limits}
		if err := a.doctorNeighbours(ctx, c, folder, w, cfg, o); err != nil {
			return err
		}
	}
	if err := a.writeCorrections(o.correct, proposals(c, nil)); err != nil {
		return err
	}
	if o.asJSON {
		err = printJSON(a.stdout, c)
	} else {
		a.printCheckup(c)
	}
	if i := slices.IndexFunc(c.Findings, func(f doctor.Finding) bool {
		return f.Severity == doctor.Fatal
	}); i >= 0 && err == nil {
		err = fmt.Errorf("doctor: training on %s is impossible: %s", dir, c.Findings[i].Message)
	}
	return err
}

// doctorNeighbours embeds the pictures and adds what the bottlenecks show to c, and what training
// takes.
func (a *app) doctorNeighbours(ctx context.Context, c *doctor.Checkup, folder *dataset.Folder, w *inception.Weights,
	cfg train.EmbedConfig, o *doctorOptions) error {
	p := a.trainProgress()
	defer p.done()
	cfg.Progress = func(e train.Event) {
		e.Phase, e.Note = "embedding", "" // what training takes is said in the end
		p.event(e)
	}
	b, err := train.EmbedChecked(ctx, folder, c, w, cfg)
	if err != nil {
		return err
	}
	p.done()
	if len(b.Problems) > 0 {
		return fmt.Errorf("%s: %s", b.Problems[0].Path, b.Problems[0].Reason)
	}
	if err := c.Refine(ctx, b.Rows, o.refine); err != nil {
		return err
	}
	fit, err := timeFit(ctx, folder, b.Rows, cfg.Engine.Threads)
	if err != nil {
		return err
	}
	c.Cost.EmbedSeconds, c.Cost.TrainSeconds = b.Each.Seconds()*float64(b.Distinct), fit
	c.Cost.TrainSecondsCold = c.Cost.EmbedSeconds + fit // decoding overlaps the forward pass
	return nil
}

// timeFit solves for a head on up to 1,000 pictures and says how long all of them would take.
func timeFit(ctx context.Context, folder *dataset.Folder, rows [][]float32, threads int) (seconds float64, err error) {
	const most = 1000
	total := 0
	byLabel := make([][]int, len(folder.Labels))
	for i, row := range rows {
		if row != nil {
			total++
			label := folder.Items[i].Label // of several the first: each label is met
			byLabel[label] = append(byLabel[label], i)
		}
	}
	ex := head.Examples{Classes: len(byLabel)}
	for label, items := range byLabel {
		for _, i := range items[:min(len(items), max(1, most*len(items)/total))] {
			ex.Rows, ex.Labels = append(ex.Rows, rows[i]), append(ex.Labels, label)
			if folder.MultiLabel {
				ex.MultiLabel = append(ex.MultiLabel, folder.Set(i))
			}
		}
	}
	began := time.Now()
	if _, err := head.Fit(ctx, ex, head.Config{Threads: threads}); err != nil {
		return 0, err
	}
	return time.Since(began).Seconds() * float64(total) / float64(len(ex.Rows)), nil
}

// printCheckup prints what people want to know first: the findings, the worst first.
func (a *app) printCheckup(c *doctor.Checkup) {
	var formats []string
	for _, f := range slices.Sorted(maps.Keys(c.Formats)) {
		formats = append(formats, fmt.Sprintf("%d %s", c.Formats[f], f))
	}
	a.sayWrapped("%s: %s of %s, %d readable (%s)", c.Root, plural.Count(c.Images, "picture"),
		plural.Count(len(c.Labels), "label"), c.Readable, strings.Join(formats, ", "))
	a.sayWrapped("%d to %d pixels wide, %d to %d high; %d turned by EXIF", c.Width.Min, c.Width.Max, c.Height.Min,
		c.Height.Max, c.Rotated)
	for _, severity := range []doctor.Severity{doctor.Fatal, doctor.Warning, doctor.Note} {
		for _, f := range c.Findings {
			if f.Severity == severity {
				a.sayWrapped("%s", a.severity(a.paint, string(severity)+": "+plain(f.Message)))
			}
		}
	}
	if len(c.Findings) == 0 {
		a.say("nothing found")
	}
	a.printDuplicates("equal pictures", c.Duplicates)
	a.printDuplicates("nearly equal pictures", c.NearDuplicates)
	if n := len(c.Disagreements); n > 0 {
		a.say("\nlabels that the nearest neighbours contradict, the surest first:")
		t := table{head: []string{"picture", "is", "neighbours say", "", "nearest"}, right: "lllrl"}
		for _, d := range c.Disagreements[:min(n, longest)] {
			t.row(d.Image, d.Label, d.Suggested, fmt.Sprintf("%.0f %%", 100*d.Share), d.Nearest[0].Image)
		}
		a.printTable(&t, "  ")
		a.more(n)
	}
	if n := len(c.Problems); n > 0 {
		a.say("\nfiles left out:")
		t := table{right: "ll"}
		for _, p := range c.Problems[:min(n, longest)] {
			t.row(p.Path, plain(p.Reason))
		}
		a.printTable(&t, "  ")
		a.more(n)
	}
	a.sayWrapped("\nexpected: %s to decode (%.0f pictures/s on %s), %.1f MB of memory for pictures and "+
		"bottlenecks, %.1f MB of cache",
		roughly(c.Cost.DecodeSeconds), c.Cost.ImagesPerSecond, plural.Count(c.Cost.Workers, "thread"),
		mega(c.Cost.MemoryBytes),
		mega(c.Cost.CacheBytes))
	if c.Cost.TrainSeconds > 0 {
		a.sayWrapped("training: %s with an empty cache, %s with this one", roughly(c.Cost.TrainSecondsCold),
			roughly(c.Cost.TrainSeconds))
	}
}

// longest is how many lines of a list are printed for people; --json has them all.
const longest = 20

func (a *app) more(n int) {
	if n > longest {
		a.say("  and %d more: see --json", n-longest)
	}
}

func (a *app) printDuplicates(what string, groups []doctor.Duplicates) {
	if len(groups) == 0 {
		return
	}
	a.say("\n%s:", what)
	t := table{right: "lll"}
	for _, g := range groups[:min(len(groups), longest)] {
		mark := ""
		if len(g.Labels) > 1 {
			mark = "across labels"
		}
		more := g.Images[1]
		if n := len(g.Images) - 2; n > 0 {
			more += fmt.Sprintf(" and %d more", n)
		}
		t.row(g.Images[0], "= "+more, mark)
	}
	a.printTable(&t, "  ")
	a.more(len(groups))
}

func mega(bytes int64) float64 { return float64(bytes) / 1e6 }

func roughly(seconds float64) string { return duration(time.Duration(seconds * float64(time.Second))) }
