package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/channels"
	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// defaultPort is where the leader of a job with several hosts listens. Inside a job every port is
// free.
const defaultPort = 7733

// Check says where and for which job the hosts exchange files, or why they cannot share the work.
// port is what REHEAD_HOSTS_PORT says, "" for the usual one.
func (h List) Check(in channels.Set, port, job string) (Config, error) {
	sharded, err := in.Sharded()
	if err != nil {
		return Config{}, err
	}
	cfg := Config{Hosts: h, Job: job, Port: defaultPort, Sharded: sharded}
	if port != "" {
		if cfg.Port, err = strconv.Atoi(port); err != nil || cfg.Port < 1 || cfg.Port > 65535 {
			return Config{}, fmt.Errorf("train: environment variable REHEAD_HOSTS_PORT: got %q, want 1..65535", port)
		}
	}
	return cfg, nil
}

// Work is what the hosts of a job share: the embedding of its pictures.
type Work struct {
	Config   Config
	Cache    string                         // folder of this host's bottlenecks
	Engine   nn.Config                      // what computes them
	Features *string                        // Config.Features of the run, which is known after Plan
	Scratch  func() (dir string, err error) // makes a folder of this run alone, once
	Say      func(format string, args ...any)

	Lost    func(error) // is told of a host whose pictures cannot be fetched any more
	Weights func() (*inception.Weights, error)
	// Plan reads the pictures: in a store where channels are sharded, else wherever they are.
	Plan func(ctx context.Context, in *Store) (*dataset.Folder, error)
	// Embed embeds a part of the pictures into the cache.
	Embed func(ctx context.Context, part *dataset.Folder, w *inception.Weights) (*train.Embedded, error)
}

// Shared is what the leader has of the others until it closes it.
type Shared struct{ c *Collector }

// Close tells hosts that hand pictures out that they are not wanted any more, or why the job failed.
func (s *Shared) Close(ctx context.Context, failed error) error {
	if s == nil || s.c == nil {
		return nil
	}
	if ctx = context.WithoutCancel(ctx); failed != nil {
		s.c.End(ctx, failed)
	} else {
		s.c.Finish(ctx)
	}
	return s.c.Close()
}

// Share has this host do its part. The leader then has all bottlenecks in its cache and goes on to
// train, where channels are sharded on a folder whose pictures others have, until it closes shared; done is
// true on the others.
func (k *Work) Share(ctx context.Context) (shared *Shared, done bool, err error) {
	sharded := len(k.Config.Sharded) > 0
	switch leads := k.Config.Hosts.Rank() == 0; {
	case leads && sharded:
		shared, err = k.leadParts(ctx)
		return shared, false, err
	case leads:
		return nil, false, k.lead(ctx)
	case sharded:
		return nil, true, k.contributeParts(ctx)
	}
	return nil, true, Contribute(ctx, k.Config, func(ctx context.Context) (string, error) {
		folder, w, err := k.plan(ctx, nil)
		if err != nil {
			return "", err
		}
		e, err := k.embed(ctx, folder, w)
		if err != nil {
			return "", err
		}
		return k.pack(files(e))
	})
}

func (k *Work) plan(ctx context.Context, in *Store) (*dataset.Folder, *inception.Weights, error) {
	folder, err := k.Plan(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	w, err := k.Weights()
	return folder, w, err
}

func (k *Work) deep() bool { return *k.Features != train.FeaturesLast }

// files are those of a cache that hold what was embedded.
func files(e *train.Embedded) []string {
	out := []string{e.Cache, e.Checks}
	if e.Deep != "" {
		out = append(out, e.Deep)
	}
	return out
}

func (k *Work) pack(files []string) (string, error) {
	scratch, err := k.Scratch()
	if err != nil {
		return "", err
	}
	return pack(scratch, files)
}

// embed embeds every n-th picture, beginning with this host's rank.
func (k *Work) embed(ctx context.Context, folder *dataset.Folder, w *inception.Weights) (*train.Embedded, error) {
	h := k.Config.Hosts
	mine := *folder
	mine.Items = nil
	for i := h.Rank(); i < len(folder.Items); i += len(h.All) {
		mine.Items = append(mine.Items, folder.Items[i])
	}
	return k.share(ctx, &mine, w, len(folder.Items))
}

// share embeds this host's part of so many pictures.
func (k *Work) share(ctx context.Context, mine *dataset.Folder, w *inception.Weights, of int) (*train.Embedded, error) {
	h := k.Config.Hosts
	k.Say("host %d of %d (%s): %d of %d pictures", h.Rank()+1, len(h.All), h.Current, len(mine.Items), of)
	return k.Embed(ctx, mine, w)
}

// lead embeds the leader's share and merges those of the others into its cache.
func (k *Work) lead(ctx context.Context) (err error) {
	folder, w, err := k.plan(ctx, nil)
	if err != nil {
		return err
	}
	scratch, err := k.Scratch()
	if err != nil {
		return err
	}
	c, err := Collect(k.Config, scratch, k.bound(len(folder.Items), w))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.End(ctx, err)
		}
		err = errors.Join(err, c.Close())
	}()
	mine, err := k.embed(ctx, folder, w)
	if err != nil {
		return err
	}
	sent, err := c.Wait(ctx)
	if err != nil {
		return err
	}
	for host, archive := range sent {
		if _, err := k.merge(w, host, archive, files(mine)); err != nil {
			return err
		}
	}
	return nil
}

// merge puts what a host sent into the cache, and returns the folder where it is.
func (k *Work) merge(w *inception.Weights, host, archive string, names []string) (dir string, err error) {
	if dir, err = os.MkdirTemp(filepath.Dir(archive), "host-"); err != nil {
		return "", err
	}
	if err := unpack(dir, archive, names); err != nil {
		return "", fmt.Errorf("train: bottlenecks of %s: %w", host, err)
	}
	added, err := train.MergeCache(w, k.Engine, k.Cache, dir, k.deep())
	if err != nil {
		return "", fmt.Errorf("train: bottlenecks of %s: %w", host, err)
	}
	k.Say("%d bottlenecks came from %s", added, host)
	return dir, nil
}

// bound is more than what a host sends of so many pictures, in bytes.
func (k *Work) bound(pictures int, w *inception.Weights) int64 {
	values := w.Features()
	if k.deep() {
		values += inception.AllFeatures().Length(w.Width)
	}
	return 1<<20 + 2*int64(pictures)*int64(4*values+4096)
}
