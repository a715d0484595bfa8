package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// Embedded is what Embed did.
type Embedded struct {
	Cache    string           // the cache file that has the bottlenecks now
	Pictures int              // that went through the trunk
	Cached   int              // whose bottleneck was there already
	Problems []source.Problem // pictures that could not be read, and why
}

// Embed puts the bottlenecks of the folder's pictures into the cache below cfg.CacheDir and trains
// nothing: a share of the work of a Run that comes later, perhaps on another machine that merges
// the cache file (see MergeCache). Unlike in Run, it is not an error that pictures cannot be read,
// however many: Run meets them again and counts them all.
func Embed(ctx context.Context, folder *dataset.Folder, w *inception.Weights, cfg Config) (*Embedded, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if folder == nil || w == nil || cfg.CacheDir == "" {
		return nil, errors.New("train: embed: got no folder, no weights or no CacheDir, want all three")
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
	out, bad, _, err := e.precheck(ctx, folder)
	if err != nil {
		return nil, err
	}
	if err := e.run(ctx, folder.Items, out, bad); err != nil {
		return nil, err
	}
	c, err := cache.Open(cfg.CacheDir, cacheKey(w, cfg.Engine))
	if err != nil {
		return nil, fmt.Errorf("train: cache: %w", err)
	}
	return &Embedded{Cache: c.Path(), Pictures: out.done, Cached: out.cached, Problems: out.problems}, c.Close()
}

// MergeCache puts the bottlenecks of the cache below from into the one below into, both of the
// trunk w and of what engine computes with, and returns how many were new.
func MergeCache(w *inception.Weights, engine nn.Config, into, from string) (added int, err error) {
	if w == nil {
		return 0, errors.New("train: cache: got no weights")
	}
	var caches [2]*cache.Bottlenecks
	for i, dir := range [2]string{into, from} {
		c, err := cache.Open(dir, cacheKey(w, engine))
		if err != nil {
			return 0, fmt.Errorf("train: cache: %w", err)
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		caches[i] = c
	}
	return caches[0].Merge(caches[1])
}

// deepKey says where what every block says of pictures is kept.
func deepKey(w *inception.Weights, engine nn.Config) cache.Key {
	k := cacheKey(w, engine)
	k.Features, k.Half = inception.AllFeatures().Length(w.Width), true
	return k
}

// cacheKey says which bottlenecks are the trunk's, on an engine of the same arithmetic.
func cacheKey(w *inception.Weights, engine nn.Config) cache.Key {
	return cache.Key{Trunk: w.Digest, Recipe: w.Recipe, Features: w.Features(), Arithmetic: engine.Arithmetic()}
}
