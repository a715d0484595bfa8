package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/c236555e/rehead/train"
)

// plotFolder makes the folder for plots before any work is done; none where dir is "".
func plotFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("--plots: %w", err)
	}
	return nil
}

// writePlots writes the report's charts into dir; nothing where dir is "".
func (a *app) writePlots(ctx context.Context, dir string, r *train.Result) error {
	if dir == "" {
		return nil
	}
	plots, err := r.Plots(ctx)
	if err != nil {
		return err
	}
	for _, p := range plots {
		err := writeWhole(filepath.Join(dir, p.Name), func(w io.Writer) error {
			_, err := w.Write(p.SVG)
			return err
		})
		if err != nil {
			return fmt.Errorf("--plots: %w", err)
		}
	}
	if len(plots) > 0 {
		a.say("%d plots written to %s", len(plots), dir)
	}
	return nil
}
