package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bottleneck"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// Embedded is what Embed did.
type Embedded struct {
	Cache    string           // the cache file that has the bottlenecks now
	Deep     string           // the one of what every block says, where Config.Features asks for it
	Checks   string           // the one of what the checks saw in the pictures
	Pictures int              // that went through the trunk
	Cached   int              // whose bottleneck was there already
	Problems []source.Problem // pictures that could not be read, and why
	// of the folder's pictures' bytes, along its items; zeros of those that could not be read
	Sums [][sha256.Size]byte
}

// Embed puts the bottlenecks of the folder's pictures into the cache below cfg.CacheDir and trains
// nothing: a share of the work of a Run that comes later, perhaps on another machine that merges
// the cache file (see MergeCache). Unlike in Run, it is not an error that pictures cannot be read,
// however many: Run meets them again and counts them all. Of a share of a larger folder cfg.Features is to
// be what FeaturesFor says of that.
func Embed(ctx context.Context, folder *dataset.Folder, w *inception.Weights,
	cfg Config) (done *Embedded, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if folder == nil || w == nil || cfg.CacheDir == "" {
		return nil, errors.New("train: embed: got no folder, no weights or no CacheDir, want all three")
	}
	if err := cfg.Engine.Probe(); err != nil {
		return nil, err
	}
	if cfg.Precision == nn.BFloat16 && w.Precision() == nn.Float32 {
		var err error
		if w, err = w.Narrowed(); err != nil {
			return nil, err
		}
	}
	if cfg.Precision != "" && cfg.Precision != w.Precision() {
		return nil, fmt.Errorf("train: embed: got precision %s with weights of %s: shares of a run must be of one trunk, so "+
			"calibrate the weights once, before", cfg.Precision, w.Precision())
	}
	e := newEmbedder(cfg.EmbedConfig, w, len(folder.Items), map[Phase]float64{})
	e.limit = len(folder.Items)
	defer func() { err = errors.Join(err, e.close()) }()
	if f, _, err := parseFeatures(cfg.FeaturesFor(len(folder.Items))); err != nil {
		return nil, err
	} else if f != nil {
		e.deep = &deep{}
		defer func() { err = errors.Join(err, e.deep.close()) }()
	}
	out, bad, _, err := e.precheck(ctx, folder)
	if err != nil {
		return nil, err
	}
	if err := e.run(ctx, folder.Items, out, bad); err != nil {
		return nil, err
	}
	done = &Embedded{Pictures: out.done, Cached: out.cached, Problems: out.problems, Sums: out.sums}
	for i, b := range bad {
		if b != nil {
			done.Sums[i] = [sha256.Size]byte{}
		}
	}
	return done, done.files(cfg.CacheDir, w, cfg.Engine, e.deep != nil)
}

// files names the cache's files.
func (d *Embedded) files(dir string, w *inception.Weights, engine nn.Config, deep bool) (err error) {
	if d.Cache, err = cacheFile(dir, cacheKey(w, engine)); err == nil && deep {
		d.Deep, err = cacheFile(dir, deepKey(w, engine))
	}
	if err != nil {
		return err
	}
	c, err := doctor.OpenCheckCache(dir)
	if err != nil {
		return fmt.Errorf("train: cache: %w", err)
	}
	d.Checks = c.Path()
	return c.Close()
}

// cacheFile returns the path of a cache's file.
func cacheFile(dir string, key cache.Key) (string, error) {
	c, err := cache.Open(dir, key)
	if err != nil {
		return "", fmt.Errorf("train: cache: %w", err)
	}
	return c.Path(), c.Close()
}

// MergeCache puts the bottlenecks of the cache below from into the one below into, both of the
// trunk w and of what engine computes with, and returns how many were new; with deep what every block
// says of the pictures, too. What the checks saw in the pictures comes with them.
func MergeCache(w *inception.Weights, engine nn.Config, into, from string, deep bool) (added int, err error) {
	if w == nil {
		return 0, errors.New("train: cache: got no weights")
	}
	if deep {
		if _, err := mergeCache(deepKey(w, engine), into, from); err != nil {
			return 0, err
		}
	}
	if err := mergeChecks(into, from); err != nil {
		return 0, err
	}
	return mergeCache(cacheKey(w, engine), into, from)
}

func mergeChecks(into, from string) error {
	return withBoth(doctor.OpenCheckCache, into, from, (*doctor.CheckCache).Merge)
}

func mergeCache(key cache.Key, into, from string) (added int, err error) {
	err = withBoth(func(dir string) (*cache.Bottlenecks, error) { return cache.Open(dir, key) }, into, from,
		func(to, of *cache.Bottlenecks) (err error) {
			added, err = to.Merge(of)
			return err
		})
	return added, err
}

// withBoth opens the caches below two folders, and closes them, which may fail where they were written to.
func withBoth[C io.Closer](open func(dir string) (C, error), into, from string,
	merge func(to, of C) error) (err error) {
	to, err := open(into)
	if err != nil {
		return fmt.Errorf("train: cache: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	of, err := open(from)
	if err != nil {
		return fmt.Errorf("train: cache: %w", err)
	}
	defer func() { err = errors.Join(err, of.Close()) }()
	return merge(to, of)
}

// deepKey says where what every block says of pictures is kept.
func deepKey(w *inception.Weights, engine nn.Config) cache.Key {
	k := cacheKey(w, engine)
	k.Features, k.Half = inception.AllFeatures().Length(w.Width), true
	return k
}

// cacheKey says which bottlenecks are the trunk's, on an engine of the same arithmetic.
func cacheKey(w *inception.Weights, engine nn.Config) cache.Key {
	return cache.Key{Key: bottleneck.Key{Trunk: w.Digest, Recipe: w.Recipe, Features: w.Features(),
		Arithmetic: arithmetic(w, engine)}}
}

// arithmetic names what bottlenecks must have in common to be mixed: of bfloat16, that tiles round the weights
// of more convolutions than other kernels do.
func arithmetic(w *inception.Weights, engine nn.Config) string {
	const tiles = "amx"
	name := engine.Arithmetic()
	if name == "" && w.Precision() == nn.BFloat16 && cmp.Or(engine.Kernel, nn.Kernels()[0]) == tiles {
		return tiles
	}
	return name
}
