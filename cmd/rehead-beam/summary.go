package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
)

// summary is what became of a job, as _summary.json.
type summary struct {
	Run      string    `json:"run"` // another for each run
	Format   string    `json:"format"`
	Pictures int       `json:"pictures"`
	Rows     int       `json:"rows"`
	Dead     int       `json:"dead_letters"` // pictures that could not be read
	LeftOut  int       `json:"left_out"`     // files that are no pictures
	Written  int       `json:"shards_written"`
	Kept     int       `json:"shards_kept"` // that an earlier run had finished
	Shards   []shardOf `json:"shards"`
	// shards in the folder that are of other pictures or settings
	Others  []string `json:"other_shards,omitempty"`
	Removed int      `json:"removed,omitempty"` // of those
}

// shardOf is a shard in a summary.
type shardOf struct {
	Name   string `json:"name"`
	Rows   int    `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// add counts a record.
func (s *summary) add(n notice, r *record) {
	if n.Part < 0 {
		s.Pictures, s.LeftOut = r.Pictures, len(r.Dead)
		return
	}
	s.Rows, s.Dead = s.Rows+r.Rows, s.Dead+len(r.Dead)
	if r.Shard == "" {
		return
	}
	if n.Kept {
		s.Kept++
	} else {
		s.Written++
	}
	s.Shards = append(s.Shards, shardOf{r.Shard, r.Rows, r.Bytes, r.SHA256})
}

// others looks for shards that this job did not make, and removes them where it is to.
func (s *summary) others(at place, prune bool) error {
	names, err := at.shards()
	if err != nil {
		return err
	}
	for _, name := range names {
		known := slices.ContainsFunc(s.Shards, func(o shardOf) bool { return o.Name == name })
		for _, ending := range endings {
			if !known && filepath.Ext(name) == ending {
				s.Others = append(s.Others, name)
			}
		}
	}
	if !prune {
		return nil
	}
	for _, name := range s.Others {
		if err := at.remove(name); err != nil {
			return err
		}
		s.Removed++
	}
	s.Others = nil
	return nil
}

func (s *summary) save(at place) error {
	return at.write(summaryFile, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(s)
	})
}
