package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/train/report"
)

// plotFlags are --plots and --plot-format.
type plotFlags struct{ dir, format string }

func (p *plotFlags) add(cmd *cobra.Command, charts string) {
	cmd.Flags().StringVar(&p.dir, "plots", "", "folder to write the report's charts to: "+charts)
	cmd.Flags().StringVar(&p.format, "plot-format", "svg", "format of the charts: svg, png or both")
}

// prepare makes the folder before any work is done, where one is asked for.
func (p *plotFlags) prepare(a *app) error {
	if !slices.Contains([]string{"", "svg", "png", "both"}, p.format) { // "" where there is no command line
		return usagef("--plot-format: got %q, want svg, png or both", p.format)
	}
	if p.dir == "" {
		return nil
	}
	if err := a.makeOutputs(p.dir); err != nil {
		return fmt.Errorf("--plots: %w", err)
	}
	return nil
}

// files are the plots' contents by name.
func (p *plotFlags) files(plots []report.Plot) (map[string][]byte, error) {
	files := make(map[string][]byte, 2*len(plots))
	for _, plot := range plots {
		if p.format != "png" {
			files[plot.Name] = plot.SVG
		}
		if p.format != "svg" {
			data, err := plot.PNG()
			if err != nil {
				return nil, err
			}
			files[strings.TrimSuffix(plot.Name, ".svg")+".png"] = data
		}
	}
	return files, nil
}

// write draws the charts and, when all are drawn, writes each whole or not at all; nothing where no
// folder is asked for.
func (p *plotFlags) write(ctx context.Context, a *app, draw func(context.Context) ([]report.Plot, error)) error {
	if p.dir == "" {
		return nil
	}
	plots, err := draw(ctx)
	if err != nil {
		return err
	}
	files, err := p.files(plots)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := a.writeBytes(source.Join(p.dir, name), data); err != nil {
			return fmt.Errorf("--plots: %w", err)
		}
	}
	a.note("%d plots written to %s", len(files), p.dir)
	return nil
}

// writeBytes is writeFile of what is there already.
func (a *app) writeBytes(path string, data []byte) error {
	return a.writeFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
