package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// modelCard is what `inspect --json` prints.
type modelCard struct {
	Labels      []string            `json:"labels"`
	Flavor      inception.Flavor    `json:"flavor"`
	Width       float64             `json:"width"`
	Features    int                 `json:"features"`
	Recipe      dataset.Recipe      `json:"recipe"`
	Temperature float64             `json:"temperature"`
	MultiLabel  bool                `json:"multi_label"`          // a picture may have any number of the labels
	Thresholds  []float64           `json:"thresholds,omitempty"` // then: the probability of each label from which on a picture has it
	Trunk       string              `json:"trunk_digest"`
	HasTrunk    bool                `json:"trunk_stored"`
	Known       *known              `json:"trunk,omitempty"` // of the trunk in the binary and of pulled ones
	Precision   nn.Precision        `json:"precision"`
	Seed        uint64              `json:"seed"`
	Split       dataset.SplitConfig `json:"split"`
	Training    json.RawMessage     `json:"training,omitempty"`
	Metrics     json.RawMessage     `json:"metrics,omitempty"`
	ToolVersion string              `json:"tool_version"`
}

func newInspect(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Describe a model: labels, recipe, trunk, settings, what it scored",
		Args:  needArgs(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := openModel(args[0])
			if err != nil {
				return err
			}
			card := modelCard{
				Labels: m.Labels, Flavor: m.Flavor, Width: m.Width, Features: m.Head.Features, Recipe: m.Recipe,
				Temperature: m.Temperature, MultiLabel: m.Independent(), Trunk: m.TrunkDigest, HasTrunk: m.Trunk != nil, Known: a.knownTrunk(m.TrunkDigest),
				Precision: m.Precision(), Seed: m.Seed, Split: m.Split, Training: m.Training, Metrics: m.Metrics, ToolVersion: m.ToolVersion,
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
		fmt.Fprintf(&b, "%-12s "+format+"\n", append([]any{name}, args...)...)
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
	row("trunk", "%s, width %g, %d features, %s, digest %s (%s)", c.Flavor, c.Width, c.Features, c.Precision, c.Trunk[:min(12, len(c.Trunk))], stored)
	if k := c.Known; k != nil {
		row("", "which is %s, licence %s", k.Name, k.License)
		if text := k.accuracy(); text != "" {
			row("", "%s", text)
		}
	}
	recipe, err := json.Marshal(c.Recipe)
	if err == nil {
		row("recipe", "%s", recipe)
	}
	row("temperature", "%g", c.Temperature)
	if c.MultiLabel {
		row("answers", "any number of labels, each from its probability on: %.4g", c.Thresholds[:min(most, len(c.Thresholds))])
	}
	row("seed", "%d", c.Seed)
	if len(c.Training) > 0 {
		row("training", "%s", c.Training)
	}
	var scores map[string]any
	if json.Unmarshal(c.Metrics, &scores) == nil {
		for _, part := range []string{"train", "validation", "test"} {
			if v, ok := scores[part+"_accuracy"].(float64); ok {
				row(part, "accuracy %.2f %%, 95 %% interval %v", 100*v, scores[part+"_accuracy_interval"])
			}
		}
	}
	row("made by", "rehead %s", c.ToolVersion)
	return b.String()
}
