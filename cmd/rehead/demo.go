package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

func newDemo(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Draw pictures, train on them, classify one that was held out",
		Long: `Draws 300 pictures of five coloured shapes, trains on them with the small trunk
in this binary and classifies one that was held out: all in a new folder, with
no download.`,
		Example: `  rehead demo
  rehead demo -o shapes`,
		Args: needArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.demo(cmd.Context(), out)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "rehead-demo", "folder to write the pictures and the model to")
	return cmd
}

func (a *app) demo(ctx context.Context, out string) error {
	if err := onDisk("--output", out, "the pictures are drawn there"); err != nil {
		return err
	}
	pictures, model := filepath.Join(out, "pictures"), filepath.Join(out, "model")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(pictures); err != nil {
		if err := draw.Folder(pictures, 5, 60, 1); err != nil {
			return err
		}
	}
	a.note("5 labels of 60 drawn pictures in %s", pictures)
	a.note("The trunk is the small one in this binary; your own photographs deserve the full " +
		"network: rehead weights pull " +
		"keras, then --weights keras.")
	o := trainOptions{weights: embedded.Name, out: model, cache: filepath.Join(out, "cache"), dtype: "f32", force: true}
	o.cfg.Split = dataset.SplitConfig{Validation: 0.1, Test: 0.1}
	result, err := a.train(ctx, pictures, &o)
	if err != nil {
		return err
	}
	m, err := inception.OpenModel(model)
	if err != nil {
		return err
	}
	classifier, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		return err
	}
	defer classifier.Close()
	for _, p := range result.Pictures {
		if p.Part != dataset.Test.String() {
			continue
		}
		a.say("\nA picture that was held out, by")
		a.say("  rehead predict %s %s", model, p.Path)
		one := []given{{File: source.File{Path: p.Path}}}
		err := (&predictOptions{top: 3}).answer(ctx, classifier, one, func(p prediction) error {
			a.printPrediction(p)
			return nil
		})
		if err != nil {
			return err
		}
		a.say("\nNext:\n  rehead serve %s\nthen, in another terminal,\n  curl --data-binary @%s \\\n"+
			"    -H 'Content-Type: image/jpeg' http://localhost:8080/invocations", model, p.Path)
		return nil
	}
	return fmt.Errorf("demo: no picture was held out of %s", pictures)
}
