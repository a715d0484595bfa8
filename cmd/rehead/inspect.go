package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// modelCard is what `inspect --json` prints.
type modelCard struct {
	Name     string           `json:"name,omitempty"`
	Labels   []string         `json:"labels"`
	Flavor   inception.Flavor `json:"flavor"`
	Width    float64          `json:"width"`
	Features int              `json:"features"`
	// what the head reads of the trunk, where that is not the last block's mean
	Reads       *inception.Features `json:"reads,omitempty"`
	Recipe      picture.Recipe      `json:"recipe"`
	Head        string              `json:"head,omitempty"` // of a head that is not linear
	Temperature float64             `json:"temperature"`
	MultiLabel  bool                `json:"multi_label"` // a picture may have any number of the labels
	// then: the probability of each label from which on a picture has it
	Thresholds []float64 `json:"thresholds,omitempty"`
	Trunk      string    `json:"trunk_digest"`
	HasTrunk   bool      `json:"trunk_stored"`
	// of the trunk in the binary and of pulled ones; what was measured was so with float32
	TrunkCard   *trunkCard      `json:"trunk,omitempty"`
	Precision   nn.Precision    `json:"precision"`
	Seed        uint64          `json:"seed"`
	Split       inception.Split `json:"split"`
	Training    json.RawMessage `json:"training,omitempty"`
	Metrics     json.RawMessage `json:"metrics,omitempty"`
	ToolVersion string          `json:"tool_version"`
}

func newInspect(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Describe a model: labels, recipe, trunk, settings, scores",
		Example: `  rehead inspect model
  rehead inspect model.tar.gz --json`,
		Args: needArgs(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := a.openModel(args[0])
			if err != nil {
				return err
			}
			card := modelCard{
				Name:   m.Name,
				Labels: m.Labels, Flavor: m.Flavor, Width: m.Width, Features: m.Head.Features, Reads: m.Reads, Recipe: m.Recipe,
				Temperature: m.Temperature, MultiLabel: m.MultiLabel(), Trunk: m.TrunkDigest, HasTrunk: m.Trunk != nil,
				TrunkCard: a.knownTrunk(m.IsTrunk),
				Precision: m.Precision(), Seed: m.Seed, Split: m.Split, Training: m.Training, Metrics: m.Metrics,
				ToolVersion: m.ToolVersion,
			}
			if !m.Head.Linear() {
				card.Head = m.Head.Describe()
			}
			for k := range m.Labels {
				if card.MultiLabel {
					card.Thresholds = append(card.Thresholds, m.Threshold(k))
				}
			}
			if asJSON {
				return printJSON(a.stdout, card)
			}
			_, err = fmt.Fprint(a.stdout, card.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// String is the card as people read it.
func (c modelCard) String() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, wrapped(fmt.Sprintf(format, args...), 13, strings.Repeat(" ", 13)))
	}
	if c.Name != "" {
		row("name", "%s", c.Name)
	}
	var settings train.Settings
	known := json.Unmarshal(c.Training, &settings) == nil
	if known && settings.Data != "" {
		row("trained on", "%s", strings.TrimSuffix(settings.Data+", "+settings.Date, ", "))
	}
	const most = 20
	labels := strings.Join(c.Labels[:min(most, len(c.Labels))], ", ")
	if n := len(c.Labels); n > most {
		labels += fmt.Sprintf(", and %d more", n-most)
	}
	row("labels", "%d: %s", len(c.Labels), labels)
	stored := "stored here"
	if !c.HasTrunk {
		stored = "not stored: give it with --weights"
	}
	if c.Reads != nil {
		row("reads", "%v", c.Reads)
	}
	row("trunk", "%s, width %g, %d features, %s, digest %s (%s)", c.Flavor, c.Width, c.Features, c.Precision,
		c.Trunk[:min(12, len(c.Trunk))], stored)
	if k := c.TrunkCard; k != nil {
		which, with := "which is", ""
		if c.Precision != nn.Float32 {
			which, with = "with the weights of", ", computing with float32"
		}
		row("", "%s %s, licence %s", which, k.Name, k.License)
		if text := k.accuracy(); text != "" {
			row("", "%s%s", text, with)
		}
	}
	row("recipe", "%s", c.Recipe.Describe())
	if c.Head != "" {
		row("head", "%s", c.Head)
	}
	row("temperature", "%.4g", c.Temperature)
	if c.MultiLabel {
		row("answers", "any number of labels, each from its probability on: %.4g",
			c.Thresholds[:min(most, len(c.Thresholds))])
	}
	row("seed", "%d", c.Seed)
	if known && settings.Solver != "" {
		row("training", "%s", describeTraining(settings))
	}
	c.scores(row)
	row("made by", "rehead %s", c.ToolVersion)
	return b.String()
}

// scores writes a row for each part that the training measured.
func (c modelCard) scores(row func(name, format string, args ...any)) {
	var scores metrics.Metrics
	if len(c.Metrics) == 0 || json.Unmarshal(c.Metrics, &scores) != nil {
		return
	}
	crossed := cmp.Or(scores.CrossValidated, new(metrics.Part))
	for _, p := range []struct {
		name string
		part metrics.Part
	}{{"train", scores.Train}, {"validation", scores.Validation}, {"test", scores.Test}, {"cross-val.", *crossed}} {
		if p.part.Images > 0 {
			row(p.name, "accuracy %.2f %% (95 %% interval %.2f to %.2f; %d of %d pictures)", 100*p.part.Accuracy,
				100*p.part.Interval[0], 100*p.part.Interval[1], p.part.Correct, p.part.Images)
		}
	}
}

// describeTraining says in words how a head was made; --json has all of it.
func describeTraining(s train.Settings) string {
	text := fmt.Sprintf("%s, %d iterations, L2 %.4g on features scaled %q, loss %.4g", s.Solver, s.Iterations, s.L2,
		s.Scaling, s.Loss)
	switch {
	case s.Converged && s.Gap > 0:
		text += fmt.Sprintf(", converged (at most %.2g above the least)", s.Gap)
	case s.Converged:
		text += ", converged"
	case s.Solver == head.LBFGS && s.Gap > 0:
		text += fmt.Sprintf(", not converged (up to %.2g above the least loss)", s.Gap)
	case s.Solver == head.LBFGS:
		text += fmt.Sprintf(", not converged (gradient %.2g, want at most %g)", s.Gradient, s.Tolerance)
	}
	switch {
	case len(s.Search) > 0 && s.Streamed != nil:
		text += fmt.Sprintf("; L2 chosen among %d by the validation part", len(s.Search))
	case len(s.Search) > 0:
		text += fmt.Sprintf("; chosen among %d settings by %d-fold cross-validation", len(s.Search), s.Folds)
	}
	if s.Views > 0 {
		text += fmt.Sprintf("; %d altered views of each picture", s.Views)
	}
	if s.WarmStart != "" {
		text += "; begun at an older head"
	}
	return text
}
