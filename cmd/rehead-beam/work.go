package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/pictures"
)

// shardFile takes the rows of a shard and writes it.
type shardFile interface {
	Len() int
	Encode(w io.Writer) error
}

// recordName is where the record of a part, or of a match, lies.
func recordName(name string) string { return workFolder + "/" + name + ".json" }

// finished is the record of a part that an earlier run has finished; nil for none.
func (j *Job) finished(at place, p *Part) (*record, error) {
	r, err := load(at, recordName(p.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if j.Retry && len(r.Dead) > 0 {
		return nil, nil
	}
	if r.Shard == "" {
		return r, nil
	}
	switch size, err := at.size(r.Shard); {
	case errors.Is(err, fs.ErrNotExist), err == nil && size != r.Bytes: // removed, or cut by somebody
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r, nil
}

// do makes the shard of a part and its record.
func (j *Job) do(ctx context.Context, at place, p *Part) (*record, error) {
	list, err := p.rows(at)
	if err != nil {
		return nil, err
	}
	rows, open := make([]pictures.Row, len(list)), opener{ctx: ctx, far: map[string]*bucket.Store{}}
	for i, l := range list {
		rows[i] = open.row(l)
	}
	e, err := engineOf(ctx, j)
	if err != nil {
		return nil, err
	}
	free, err := e.take(ctx)
	if err != nil {
		return nil, err
	}
	r := &record{Pictures: p.Count}
	var file shardFile
	if j.Model != "" {
		file, err = e.classify(ctx, rows, r)
	} else {
		file, err = e.embed(ctx, p, rows, r)
	}
	free()
	if err != nil {
		return nil, err
	}
	if r.Rows = file.Len(); r.Rows > 0 {
		if err := j.save(at, p, file, r); err != nil {
			return nil, err
		}
	}
	return r, r.save(at, recordName(p.Name))
}

// save writes the shard of a part.
func (j *Job) save(at place, p *Part, file shardFile, r *record) error {
	r.Shard = p.Name + endings[j.Format]
	sum := sha256.New()
	n := &count{}
	if err := at.write(r.Shard, func(w io.Writer) error { return file.Encode(io.MultiWriter(w, sum, n)) }); err != nil {
		return err
	}
	r.Bytes, r.SHA256 = n.n, hex.EncodeToString(sum.Sum(nil))
	return nil
}

// count counts bytes.
type count struct{ n int64 }

func (c *count) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// embed makes the bottlenecks of pictures.
func (e *engine) embed(ctx context.Context, p *Part, rows []pictures.Row, r *record) (shardFile, error) {
	lim := e.job.limits()
	ahead := readAhead(ctx, rows, lim)
	defer ahead.Close()
	s := &sums{read: ahead.Read, of: make([][sha256.Size]byte, len(rows))}
	var file interface {
		shardFile
		Add(shards.Row) error
	}
	var err error
	if e.job.Format == formatShards {
		file, err = shards.NewWriter(e.key, p.Several)
	} else {
		file, err = newBottlenecks(e.key, len(rows))
	}
	if err != nil {
		return nil, err
	}
	return file, e.trunk.EmbedAll(ctx, len(rows), s.get, func(i int, vec []float32, err error) error {
		if ctx.Err() != nil { // which is not the picture's fault
			return context.Cause(ctx)
		}
		if err == nil {
			err = file.Add(shards.Row{Features: vec, Sum: s.of[i], Path: rows[i].Path, Labels: rows[i].Labels,
				Part: rows[i].Part, Given: rows[i].Given})
		}
		if err != nil {
			r.Dead = append(r.Dead, Dead{rows[i].Path, answer.OneLine(err)})
		}
		return nil
	}, inception.EmbedConfig{Limits: lim})
}

// classify answers for pictures; one that cannot be read has a row that says so.
func (e *engine) classify(ctx context.Context, rows []pictures.Row, r *record) (shardFile, error) {
	lim, top := e.job.limits(), min(e.job.Top, len(e.answers.Model().Labels))
	ahead := readAhead(ctx, rows, lim)
	defer ahead.Close()
	file := &answers{format: e.job.Format, top: top, several: e.several}
	return file, e.answers.ClassifyAll(ctx, len(rows), ahead.Read,
		func(i int, got inception.Result) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			row := answer.Of(rows[i].Path, got, top)
			file.rows = append(file.rows, row)
			if row.Error != "" {
				r.Dead = append(r.Dead, Dead{row.Image, row.Error})
			}
			return nil
		}, inception.EmbedConfig{Limits: lim})
}

// stores are those that this process has opened, by what stands before their paths.
var stores struct {
	sync.Mutex
	of map[string]source.Store
}

// readAhead reads pictures before they are asked for, where they lie in a bucket.
func readAhead(ctx context.Context, rows []pictures.Row, lim picture.Limits) *source.Ahead {
	return source.NewAhead(ctx, source.Reading{N: len(rows), File: func(i int) source.File { return rows[i].File },
		Limits: lim})
}

// opener opens the pictures of a part.
type opener struct {
	ctx context.Context
	far map[string]*bucket.Store // by scheme
}

// row is a picture of the list, to be read; one that cannot be opened says why when it is.
func (o *opener) row(l listed) pictures.Row {
	f, err := o.file(l)
	if err != nil {
		f = source.File{Path: l.Path, Store: source.Opener(func() (io.ReadCloser, error) { return nil, err })}
	}
	l.File = f
	return l.Row
}

// file is where the picture of a line lies. An archive is opened once a process.
func (o *opener) file(l listed) (source.File, error) {
	path := l.Path
	outer, _, inside := strings.Cut(path, "!/")
	scheme := source.Scheme(path)
	if l.object == nil && !inside && scheme == "" {
		return source.File{Path: path}, nil
	}
	if l.object != nil || !inside {
		return o.distant(path, scheme, l.object)
	}
	stores.Lock()
	defer stores.Unlock()
	if s := stores.of[outer]; s != nil {
		return source.File{Path: path, Store: s}, nil
	}
	s, root, err := source.Open(path)
	if err != nil {
		return source.File{}, fmt.Errorf("open: %w", err)
	}
	if root != path {
		return source.File{Path: root, Store: s}, nil
	}
	if stores.of == nil {
		stores.of = map[string]source.Store{}
	}
	stores.of[outer] = s
	return source.File{Path: path, Store: s}, nil
}

// distant is a picture in a bucket. What the list says of it saves a request.
func (o *opener) distant(path, scheme string, known *bucket.Object) (_ source.File, err error) {
	s := o.far[scheme]
	if s == nil {
		if clouds[scheme] == nil {
			return source.File{}, fmt.Errorf("open: %s: nothing opens addresses of %s", path, scheme)
		}
		if s, err = newStore(o.ctx, scheme); err != nil {
			return source.File{}, fmt.Errorf("open: %w", err)
		}
		o.far[scheme] = s
	}
	if known != nil {
		if err := s.Know(path, *known); err != nil {
			return source.File{}, fmt.Errorf("open: %w", err)
		}
	}
	return source.File{Path: path, Store: s}, nil
}
