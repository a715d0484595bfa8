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
)

// prediction is one line of `predict --json`.
type prediction struct {
	Image       string                 `json:"image"`
	Predictions []inception.Prediction `json:"predictions,omitempty"`
	// that the picture has, of a model that gives any number of them; absent elsewhere
	Labels []string `json:"labels,omitzero"`
	// of none of the labels; absent where the model does not tell
	Unknown     *bool        `json:"unknown,omitempty"`
	Explanation *explanation `json:"explanation,omitempty"`
	Error       string       `json:"error,omitempty"`
}

// predictOptions is the command line of `predict`.
type predictOptions struct {
	engine engineFlags
	limits limitFlags
	why    explainFlags
	top    int
	asJSON bool
}

func newPredict(a *app) *cobra.Command {
	var o predictOptions
	cmd := &cobra.Command{
		Use:   "predict MODEL IMAGE...",
		Short: "Rank a model's labels for pictures",
		Long: `Ranks the model's labels for each picture. A model that was trained with
--unknown also says whether a picture is probably none of its labels; a
multi-label model says which labels a picture has.

--explain adds the class activation map of each label printed and the most
similar training pictures; --explain-dir draws the map of the best label over
each picture.

A picture that cannot be read does not stop the others; the exit code is then 1.`,
		Example: `  rehead predict model daisy.jpg rose.jpg --top 3
  rehead predict model daisy.jpg --explain-dir maps --json`,
		Args: needArgs(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.predict(cmd.Context(), args[0], args[1:], &o)
		},
	}
	o.engine.add(cmd, a)
	o.engine.addTrunk(cmd)
	o.engine.addPrecision(cmd, modelPrecision)
	o.limits.add(cmd)
	o.why.add(cmd)
	cmd.Flags().IntVar(&o.top, "top", 5, "labels to print per picture")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object per picture")
	return cmd
}

func (a *app) predict(ctx context.Context, model string, paths []string, o *predictOptions) error {
	if o.top < 1 {
		return usagef("--top: got %d, want at least 1", o.top)
	}
	if err := o.why.prepare(); err != nil {
		return err
	}
	classifier, err := o.engine.classifier(model)
	if err != nil {
		return err
	}
	defer classifier.Close()
	answer := predictFile
	if o.why.on {
		answer = o.why.explainFile
	}
	var failed []string
	for _, path := range paths {
		line := answer(ctx, classifier, path, o.limits, o.top)
		if err := ctx.Err(); err != nil {
			return err
		}
		if line.Error != "" {
			failed = append(failed, path+": "+line.Error)
			if !o.asJSON { // the last line of the command says it
				continue
			}
		}
		if err := a.printPrediction(line, o.asJSON); err != nil {
			return err
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return errors.New(failed[0])
	}
	return fmt.Errorf("predict: %d of %d pictures could not be classified: %s", len(failed), len(paths),
		strings.Join(failed, "; "))
}

func predictFile(ctx context.Context, c *inception.Classifier, path string, limits limitFlags, top int) prediction {
	line := prediction{Image: path}
	data, err := source.Read(path, limits.limits())
	if err == nil {
		var results []inception.Result
		results, err = c.Classify(ctx, &inception.Input{Data: data, Limits: limits.limits()})
		if err == nil {
			err = results[0].Err
			line.Predictions, line.Labels, line.Unknown = results[0].Predictions, results[0].Labels, results[0].Unknown
		}
	}
	if err != nil {
		line.Error = oneLine(err)
		return line
	}
	line.Predictions = line.Predictions[:min(top, len(line.Predictions))]
	return line
}

func (a *app) printPrediction(line prediction, asJSON bool) error {
	if asJSON {
		return printJSON(a.stdout, line)
	}
	a.say("%s", line.Image)
	if line.Unknown != nil && *line.Unknown {
		a.say("  unknown: probably none of the labels")
	}
	if line.Labels != nil && len(line.Labels) == 0 {
		a.say("  none of the labels")
	}
	for _, p := range line.Predictions {
		mark := ""
		if line.Labels != nil && slices.Contains(line.Labels, p.Label) {
			mark = "  <- has it"
		}
		a.say("  %6.2f %%  %s%s", 100*p.Probability, p.Label, mark)
	}
	if line.Explanation != nil {
		a.printExplanation(line.Explanation)
	}
	return nil
}
