package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/registry"
	"github.com/c236555e/rehead/train"
)

// engine is the network of a job: one a process, however many DoFns and bundles a runner makes of it.
type engine struct {
	job      Job
	identity string     // of all that decides what a shard holds of its pictures
	key      shards.Key // of bottlenecks
	several  bool       // answers name several labels

	weights *inception.Weights // nil once they are compiled
	reads   *inception.Features
	model   *inception.Model

	turn    chan struct{} // holds one token: whoever has it computes
	trunk   *inception.Trunk
	answers *inception.Classifier
}

// engines are those of this process.
var engines struct {
	sync.Mutex
	of map[string]*engine
}

// engineOf is the job's, whose weights are read where no bundle did so before.
func engineOf(ctx context.Context, j *Job) (*engine, error) {
	key, err := json.Marshal([]any{j.Model, j.Weights, j.Reads, j.Threads, j.Device, j.Kernel, j.MaxBytes, j.MaxPixels,
		j.Format, j.Top})
	if err != nil {
		return nil, err
	}
	engines.Lock()
	defer engines.Unlock()
	if e := engines.of[string(key)]; e != nil {
		return e, nil
	}
	e := &engine{job: *j, turn: make(chan struct{}, 1)}
	if err := e.load(ctx); err != nil {
		return nil, err
	}
	e.turn <- struct{}{}
	if engines.of == nil {
		engines.of = map[string]*engine{}
	}
	engines.of[string(key)] = e
	return e, nil
}

// load reads the weights or the model.
func (e *engine) load(ctx context.Context) (err error) {
	j, of := &e.job, "" // the digest of what computes
	if j.Model != "" {
		if e.model, err = j.model(ctx); err != nil {
			return err
		}
		if of, err = e.model.Digest(); err != nil {
			return err
		}
		e.several = e.model.MultiLabel()
	} else {
		if e.weights, err = j.weights(ctx); err != nil {
			return err
		}
		if e.reads, err = train.ParseFeatures(j.Reads); err != nil {
			return err
		}
		if e.reads == nil && e.weights.Reads.Foreign() && e.weights.Reads.Side == 0 {
			e.reads = e.weights.Reads // what the file's own network ends in
		}
		if e.key, err = train.ShardKey(e.weights, e.reads, j.engine()); err != nil {
			return err
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return err
		}
		of = string(key)
	}
	identity, err := json.Marshal([]any{1, of, j.Format, j.Top, j.MaxBytes, j.MaxPixels})
	e.identity = string(identity)
	return err
}

// model opens the one that the job classifies with.
func (j *Job) model(ctx context.Context) (m *inception.Model, err error) {
	local, done, err := here(ctx, j.Model)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	defer func() { err = errors.Join(err, done()) }()
	return convert.OpenModel(local, convert.Options{Official: registry.Official})
}

// weights reads those that the job embeds with.
func (j *Job) weights(ctx context.Context) (w *inception.Weights, err error) {
	local, done, err := here(ctx, j.Weights)
	if err != nil {
		return nil, fmt.Errorf("--weights: %w", err)
	}
	defer func() { err = errors.Join(err, done()) }()
	pulled := cacheFolder() // without one nothing was pulled
	if pulled != "" {
		pulled = filepath.Join(pulled, "weights")
	}
	return registry.Store{Dir: pulled}.Resolve(local)
}

// take waits until nobody else computes in this process: every pass has all processors. The network is
// compiled the first time. free ends it.
func (e *engine) take(ctx context.Context) (free func(), err error) {
	select {
	case <-e.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	free = func() { e.turn <- struct{}{} }
	if err := e.compile(); err != nil {
		free()
		return nil, err
	}
	return free, nil
}

func (e *engine) compile() (err error) {
	switch {
	case e.model != nil && e.answers == nil:
		e.answers, err = inception.NewClassifier(e.model, e.job.engine())
	case e.model == nil && e.trunk == nil:
		e.trunk, err = inception.NewTrunkOf(e.weights, e.reads, e.job.engine())
		e.weights = nil
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("compile the network: %w", err)
	}
	debug.FreeOSMemory() // the weights as they were read: they are packed now
	return nil
}

// sums are the digests of pictures as they are read, by their place.
type sums struct {
	read func(i int) ([]byte, error)
	of   [][sha256.Size]byte
}

func (s *sums) get(i int) ([]byte, error) {
	data, err := s.read(i)
	if err == nil {
		s.of[i] = sha256.Sum256(data)
	}
	return data, err
}
