package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/train/metrics"
)

// predictionsFolder asks, before any work is done, that the folder of --predictions is there.
func (a *app) predictionsFolder(path string) error {
	if path == "" {
		return nil
	}
	if err := a.checkOutput(path); err != nil {
		return fmt.Errorf("--predictions: %w", err)
	}
	return nil
}

// writePredictions writes a row for each picture of an evaluation, in the order of the data: the
// file appears whole or not at all. Several labels of a picture are parted by "|".
func writePredictions(a *app, path string, pictures []metrics.Picture) error {
	if path == "" {
		return nil
	}
	err := a.writeFile(path, func(w io.Writer) error {
		row := csvWriter(w)
		if err := row([]string{"path", "part", "label", "answer", "probability", "rank", "loss"}); err != nil {
			return err
		}
		for i := range pictures {
			p := &pictures[i]
			label, answer, rank := p.Label, p.Predicted, strconv.Itoa(p.Rank)
			if p.Labels != nil {
				label, answer = strings.Join(p.Labels, "|"), strings.Join(p.Answered, "|")
			}
			if p.Rank == 0 { // of a picture without labels
				rank = ""
			}
			err := row([]string{p.Path, p.Part, label, answer, strconv.FormatFloat(p.Probability, 'g', -1, 32), rank,
				strconv.FormatFloat(p.Loss, 'g', -1, 32)})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("--predictions: %w", err)
	}
	a.note("predictions written to %s", path)
	return nil
}
