package main

import (
	"encoding/csv"
	"encoding/json"
	"io"

	"github.com/c236555e/rehead/internal/answer"
)

// answers are the rows of a shard of predictions, as `rehead predict` writes them, or as Parquet.
type answers struct {
	format  string
	top     int
	several bool
	rows    []answer.Row
}

// Len implements shardFile.
func (a *answers) Len() int { return len(a.rows) }

// Encode implements shardFile.
func (a *answers) Encode(w io.Writer) error {
	switch a.format {
	case formatCSV:
		out := csv.NewWriter(w)
		if err := out.Write(answer.Header(a.top, a.several)); err != nil {
			return err
		}
		for _, r := range a.rows {
			if err := out.Write(r.Cells(a.top, a.several)); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	case formatJSON:
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		for _, r := range a.rows {
			if err := out.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	return a.parquet(w)
}
