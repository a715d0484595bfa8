package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/plural"
)

func init() {
	register.DoFn4x1[context.Context, []byte, func(string), func(int, string), error](&matchFn{})
	register.DoFn3x1[context.Context, string, func(int, string), error](&workFn{})
	register.DoFn3x1[context.Context, int, func(*string) bool, error](&summaryFn{})
	register.Emitter1[string]()
	register.Emitter2[int, string]()
	register.Iter1[string]()
}

// Counters of a job, by the runner.
var (
	countPictures = beam.NewCounter("rehead", "pictures")
	countRows     = beam.NewCounter("rehead", "rows")
	countDead     = beam.NewCounter("rehead", "dead_letters")
	countLeft     = beam.NewCounter("rehead", "left_out")
	countWritten  = beam.NewCounter("rehead", "shards_written")
	countKept     = beam.NewCounter("rehead", "shards_kept")
)

// build puts the stages into a pipeline.
func (j *Job) build() *beam.Pipeline {
	p, s := beam.NewPipelineWithRoot()
	parts, matched := beam.ParDo2(s.Scope("match"), &matchFn{*j}, beam.Impulse(s))
	work := s.Scope("work")
	done := beam.ParDo(work, &workFn{*j}, beam.Reshuffle(work, parts)) // else one worker has all
	summary := s.Scope("summary")
	beam.ParDo0(summary, &summaryFn{*j}, beam.GroupByKey(summary, beam.Flatten(summary, matched, done)))
	return p
}

// notice is what a stage tells the summary of a record.
type notice struct {
	Name string // of a part, or of the match
	Part int    // -1: of the match
	Kept bool   // by an earlier run
}

func (n notice) String() string {
	text, _ := json.Marshal(n) //nolint:errchkjson // of a string and two numbers
	return string(text)
}

// matchFn lists the pictures. It writes the list to a file and emits the parts of that, as JSON.
type matchFn struct{ Job Job }

// ProcessElement takes the one element that there is.
func (f *matchFn) ProcessElement(ctx context.Context, _ []byte, emit func(string), tell func(int, string)) error {
	j := &f.Job
	at, err := j.place(ctx)
	if err != nil {
		return err
	}
	if err := at.make(); err != nil {
		return err
	}
	e, err := engineOf(ctx, j)
	if err != nil {
		return err
	}
	l, err := j.list(e.identity)
	if err != nil {
		return err
	}
	list := workFolder + "/" + l.parts[0].List
	err = at.write(list, func(w io.Writer) error {
		_, err := w.Write(l.text)
		return err
	})
	if err != nil {
		return err
	}
	r := &record{Pictures: l.pictures}
	for _, p := range l.left {
		r.Dead = append(r.Dead, Dead{p.Path, strings.Join(strings.Fields(p.Reason), " ")})
	}
	name := "match-" + strings.TrimSuffix(strings.TrimPrefix(l.parts[0].List, "list-"), ".tsv")
	if err := r.save(at, recordName(name)); err != nil {
		return err
	}
	countPictures.Inc(ctx, int64(l.pictures))
	countLeft.Inc(ctx, int64(len(l.left)))
	tell(0, notice{Name: name, Part: -1}.String())
	for _, p := range l.parts {
		p.List = list
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		emit(string(text))
	}
	return nil
}

// workFn makes the shard of each part that it is given, unless an earlier run did. An error is one of the
// job: a picture that cannot be read is a result.
type workFn struct{ Job Job }

// ProcessElement takes a part.
func (f *workFn) ProcessElement(ctx context.Context, text string, tell func(int, string)) error {
	var p Part
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	at, err := f.Job.place(ctx)
	if err != nil {
		return err
	}
	r, err := f.Job.finished(at, &p)
	if err != nil {
		return err
	}
	kept := r != nil
	if kept {
		countKept.Inc(ctx, 1)
	} else {
		if r, err = f.Job.do(ctx, at, &p); err != nil {
			return fmt.Errorf("part %d: %w", p.Number, err)
		}
		if r.Shard != "" {
			countWritten.Inc(ctx, 1)
		}
		log.Infof(ctx, "part %d: %s, %d without a row", p.Number, plural.Count(r.Pictures, "picture", "pictures"),
			len(r.Dead))
	}
	countRows.Inc(ctx, int64(r.Rows))
	countDead.Inc(ctx, int64(len(r.Dead)))
	tell(0, notice{Name: p.Name, Part: p.Number, Kept: kept}.String())
	return nil
}

// loadsAtOnce is how many records are read at a time, for they may lie in a bucket.
const loadsAtOnce = 32

// summaryFn writes the dead letters and the summary.
type summaryFn struct{ Job Job }

// ProcessElement takes the names of all records.
func (f *summaryFn) ProcessElement(ctx context.Context, _ int, notices func(*string) bool) error {
	var all []notice
	for text := ""; notices(&text); {
		var n notice
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			return err
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b notice) int { return a.Part - b.Part })
	at, err := f.Job.place(ctx)
	if err != nil {
		return err
	}
	records, failed := make([]*record, len(all)), make([]error, len(all))
	par.Do(loadsAtOnce, len(all), func(i int) { records[i], failed[i] = load(at, recordName(all[i].Name)) })
	if err := errors.Join(failed...); err != nil {
		return err
	}
	s := &summary{Run: f.Job.Run, Format: f.Job.Format, Shards: []shardOf{}}
	var dead []Dead
	for i, n := range all {
		dead = append(dead, records[i].Dead...)
		s.add(n, records[i])
	}
	if err := s.others(at, f.Job.Prune); err != nil {
		return err
	}
	slices.SortStableFunc(dead, func(a, b Dead) int { return strings.Compare(a.Path, b.Path) })
	err = at.write(deadFile, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if err := out.Write([]string{"path", "error"}); err != nil {
			return err
		}
		for _, d := range dead {
			if err := out.Write([]string{d.Path, d.Reason}); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
	if err != nil {
		return err
	}
	return s.save(at)
}
