package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/plural"
)

// prediction is the answer for one picture, a line of `predict --format json`.
type prediction struct {
	answer.Row
	Explanation *explanation `json:"explanation,omitempty"`
}

// predictOptions is the command line of `predict`.
type predictOptions struct {
	engine engineFlags
	limits limitFlags
	why    explainFlags
	to     answerFlags
	top    int
}

func newPredict(a *app) *cobra.Command {
	var o predictOptions
	cmd := &cobra.Command{
		Use:   "predict MODEL IMAGE|DIR|ARCHIVE|LIST.txt|PIPE|-...",
		Short: "Rank a model's labels for pictures",
		Long: `Ranks the model's labels for each picture. A model that was trained with
--unknown also says whether a picture is probably none of its labels; a
multi-label model says which labels a picture has.

--explain adds the class activation map of each label printed and the most
similar training pictures; --explain-dir draws the map of the best label over
each picture.

Of a folder or an archive (.zip, .tar, .tar.gz, .tar.zst) every picture is
answered, at any depth; a .txt file names a picture on each line; - is a picture
or such a list at stdin, and so is a named pipe.
Answers are written in the order of the pictures, as they come, and memory does
not grow with their number.

A run that was cut, by whatever, goes on where it was when it is started again
with the same -o FILE (CSV or JSON) and the same pictures: FILE is then as if
nothing had happened. FILE.unfinished stands beside it until it is whole; a file
that was begun by another model or with other settings is refused.

A picture that cannot be read does not stop the others: its row says why. The
exit code is then 1.`,
		Example: `  rehead predict model daisy.jpg rose.jpg --top 3
  rehead predict model photos -o answers.csv --top 1
  find photos -name '*.jpg' | rehead predict model - --format json
  rehead predict model daisy.jpg --explain-dir maps --json`,
		Args: needArgs(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.predict(cmd.Context(), args[0], args[1:], &o)
		},
	}
	o.engine.add(cmd, a)
	o.engine.addTrunk(cmd)
	o.engine.addViews(cmd)
	o.engine.addPrecision(cmd, modelPrecision)
	o.limits.add(cmd)
	o.why.add(cmd)
	cmd.Flags().IntVar(&o.top, "top", 5, "labels to print per picture")
	o.to.add(cmd)
	first(cmd, "top output format json explain explain-dir views")
	return cmd
}

func (a *app) predict(ctx context.Context, model string, args []string, o *predictOptions) error {
	if o.top < 1 {
		return usagef("--top: got %d, want at least 1", o.top)
	}
	if err := o.to.resolve(); err != nil {
		return err
	}
	if err := o.why.prepare(a); err != nil {
		return err
	}
	if o.why.on && o.to.format == "csv" {
		return usagef("--explain: CSV has no room for it: want --format json or table")
	}
	classifier, err := o.engine.classifier(model)
	if err != nil {
		return err
	}
	defer classifier.Close()
	run, err := o.run(classifier.Model())
	if err != nil {
		return err
	}
	out, err := o.to.open(a, classifier.Model(), run)
	if err != nil {
		return err
	}
	failed := failures{what: "classified"}
	bar := a.progress("classifying", "pictures", unknownMany)
	bar.hidden = a.tty && o.to.file == "" // the answers show it
	defer bar.done()
	problems, err := a.inGroups(ctx, args, o.limits.limits(), func(group []given) error {
		group, err := out.skip(group, func(p prediction) {
			failed.count(p)
			o.why.pass(p)
		})
		if err != nil {
			return err
		}
		return o.answer(ctx, classifier, group, func(p prediction) error {
			if err := ctx.Err(); err != nil { // and not of the picture
				return err
			}
			failed.count(p)
			bar.add(1)
			return out.write(p)
		})
	})
	if err != nil && ctx.Err() != nil && out.file != nil {
		err = fmt.Errorf("%d pictures are answered in %s: the same command goes on from there: %w", failed.pictures,
			o.to.file, ctx.Err())
	}
	bar.done()
	if err = out.end(err); err != nil {
		return err
	}
	a.printProblems(problems)
	return failed.err()
}

// run is what the answers depend on.
func (o *predictOptions) run(m *inception.Model) (answersOf, error) {
	digest, err := m.Digest()
	lim := o.limits.limits()
	return answersOf{Format: o.to.format, Model: digest, Top: o.top, MaxBytes: lim.Bytes(), MaxPixels: lim.Pixels(),
		Explain: o.why.on, Maps: o.why.dir}, err
}

// answer answers for the pictures in their order.
func (o *predictOptions) answer(ctx context.Context, c *inception.Classifier, group []given,
	write func(prediction) error) error {
	lim := o.limits.limits()
	if !o.why.on {
		ahead := source.NewAhead(ctx, source.Reading{N: len(group), Limits: lim,
			File: func(i int) source.File { return group[i].File }})
		defer ahead.Close()
		return c.ClassifyAll(ctx, len(group), func(i int) ([]byte, error) {
			if group[i].data != nil {
				return group[i].data, nil
			}
			return ahead.Read(i)
		},
			func(i int, r inception.Result) error {
				return write(prediction{Row: answer.Of(group[i].Path, r, o.top)})
			},
			inception.EmbedConfig{Limits: lim})
	}
	for _, g := range group {
		if err := write(o.why.explainFile(ctx, c, g, o.limits, o.top)); err != nil {
			return err
		}
	}
	return nil
}

// failures counts pictures and keeps the first reasons why some failed.
type failures struct {
	what             string // was to be done with them
	pictures, failed int
	first            []string
}

// mostFailures is how many failed pictures the last line of `predict` names.
const mostFailures = 20

func (f *failures) count(p prediction) {
	f.pictures++
	if p.Error == "" {
		return
	}
	if f.failed++; f.failed <= mostFailures {
		f.first = append(f.first, p.Image+": "+p.Error)
	}
}

func (f *failures) err() error {
	switch f.failed {
	case 0:
		return nil
	case 1:
		return errors.New(f.first[0])
	}
	more := ""
	if n := f.failed - len(f.first); n > 0 {
		more = fmt.Sprintf("; and %d more", n)
	}
	return fmt.Errorf("%d of %s could not be %s: %s%s", f.failed, plural.Count(f.pictures, "picture"), f.what,
		strings.Join(f.first, "; "), more)
}

// mark stands behind a label that a picture has.
var mark = map[bool]string{true: "<- has it"}

// printPrediction prints for people.
func (a *app) printPrediction(line prediction) {
	path := line.Image
	if a.tty {
		path = shorten(path, a.width())
	}
	a.say("%s", path)
	if line.Unknown != nil && *line.Unknown {
		a.say("  %s", a.paint(yellow, "unknown: probably none of the labels"))
	}
	if line.Labels != nil && len(line.Labels) == 0 {
		a.say("  none of the labels")
	}
	t := table{right: "rl", paint: func(column int, cell, text string) string {
		if column == 1 && cell == line.Predictions[0].Label {
			return a.paint(bold, text)
		}
		return text
	}}
	for _, p := range line.Predictions {
		cells := []string{percent(float64(p.Probability)), p.Label}
		if line.Labels != nil {
			t.right = "rll"
			cells = append(cells, mark[slices.Contains(line.Labels, p.Label)])
		}
		t.row(cells...)
	}
	a.printTable(&t, "  ")
	if line.Explanation != nil {
		a.printExplanation(line.Explanation)
	}
}
