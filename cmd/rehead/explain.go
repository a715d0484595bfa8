package main

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/answer"
)

// explainSide bounds the pictures that --explain-dir writes, in pixels.
const explainSide = 1024

// explanation is what `predict --explain` adds to a line.
type explanation struct {
	Grid    inception.Grid        `json:"grid"`
	Maps    []inception.Map       `json:"maps"`
	Nearest []inception.Neighbour `json:"nearest,omitempty"` // without their thumbnails
	Picture string                `json:"picture,omitempty"` // the PNG that was written
}

// explainFlags are --explain and --explain-dir.
type explainFlags struct {
	on    bool
	dir   string
	taken map[string]bool // names in dir
	// makes a file there
	write func(path string, write func(io.Writer) error) error
}

func (e *explainFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&e.on, "explain", false,
		"say why: the class activation map of each label printed, and the most similar training pictures")
	cmd.Flags().StringVar(&e.dir, "explain-dir", "",
		"folder to write each picture to as PNG, with the map of its best label over it (implies --explain)")
}

// prepare makes the folder.
func (e *explainFlags) prepare(a *app) error {
	if e.dir == "" {
		return nil
	}
	e.on, e.taken, e.write = true, make(map[string]bool), a.writeFile
	if err := a.makeOutputs(e.dir); err != nil {
		return fmt.Errorf("--explain-dir: %w; choose another folder", err)
	}
	return nil
}

// explainFile answers for one picture and says why.
func (e *explainFlags) explainFile(ctx context.Context, c *inception.Classifier, g given, limits limitFlags,
	top int) prediction {
	line := prediction{Row: answer.Row{Image: g.Path}}
	err := func() error {
		data, err := g.read(limits.limits())
		if err != nil {
			return err
		}
		x, err := c.Explain(ctx, &inception.Input{Data: data, Limits: limits.limits()}, top)
		if err != nil {
			return err
		}
		line.Predictions, line.Labels, line.Unknown = x.Predictions[:min(top, len(x.Predictions))], x.Labels, x.Unknown
		line.Explanation = &explanation{Grid: x.Grid, Maps: x.Maps, Nearest: x.Nearest}
		for i := range x.Nearest {
			x.Nearest[i].Thumbnail = nil
		}
		if e.dir == "" {
			return nil
		}
		line.Explanation.Picture = e.name(g.Path)
		return e.draw(line.Explanation.Picture, c.Model().Recipe, data, limits.limits(), x)
	}()
	if err != nil {
		return prediction{Row: answer.Row{Image: g.Path, Error: oneLine(err)}}
	}
	return line
}

// pass hears of a picture that an earlier run has drawn, whose name is taken.
func (e *explainFlags) pass(p prediction) {
	if e.dir != "" && p.Error == "" {
		e.name(p.Image)
	}
}

// name is a place in the folder that no picture of this run has taken.
func (e *explainFlags) name(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name := base
	for n := 2; e.taken[strings.ToLower(name)]; n++ { // some file systems take a.png and A.png for the same
		name = fmt.Sprintf("%s-%d", base, n)
	}
	e.taken[strings.ToLower(name)] = true
	return source.Join(e.dir, name+".png")
}

// draw writes the picture with the map of its best label over it, whole or not at all.
func (e *explainFlags) draw(path string, recipe picture.Recipe, data []byte, lim picture.Limits,
	x *inception.Explanation) error {
	img, _, err := recipe.Thumbnail(data, lim, explainSide)
	if err != nil {
		return err
	}
	x.Blend(img, &x.Maps[0])
	if err := e.write(path, func(w io.Writer) error { return png.Encode(w, img) }); err != nil {
		return fmt.Errorf("--explain-dir: %w", err)
	}
	return nil
}

// printExplanation prints for people what they can read of it.
func (a *app) printExplanation(x *explanation) {
	t := table{right: "lllr"}
	for _, n := range x.Nearest {
		t.row("like", n.Path, n.Label, fmt.Sprintf("%.3f", n.Similarity))
	}
	a.printTable(&t, "  ")
	if x.Picture != "" {
		a.say("  map of %s: %s", x.Maps[0].Label, x.Picture)
	}
}
