package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	for name, c := range in {
		if c.Sharded() {
			return Config{}, fmt.Errorf("train: channel %q is ShardedByS3Key among %d hosts: set its "+
				"S3DataDistributionType to FullyReplicated; the hosts share the work, but the split and the report need "+
				"every picture on the first", name, len(h.All))
		}
	}
	cfg := Config{Hosts: h, Job: job, Port: defaultPort}
	if port != "" {
		var err error
		if cfg.Port, err = strconv.Atoi(port); err != nil || cfg.Port < 1 || cfg.Port > 65535 {
			return Config{}, fmt.Errorf("train: environment variable REHEAD_HOSTS_PORT: got %q, want 1..65535", port)
		}
	}
	return cfg, nil
}

// Work is what the hosts of a job share: the embedding of its pictures.
type Work struct {
	Config  Config
	Cache   string                         // folder of this host's bottlenecks
	Engine  nn.Config                      // what computes them
	Scratch func() (dir string, err error) // makes a folder of this run alone, once
	Say     func(format string, args ...any)

	// Plan reads the pictures and the trunk. Embed embeds a part of the pictures into the cache,
	// and returns the cache's files: that of the bottlenecks, and with Deep that of every block's values.
	// Deep is asked after Plan.
	Plan  func() (*dataset.Folder, *inception.Weights, error)
	Embed func(ctx context.Context, part *dataset.Folder, w *inception.Weights) (files []string, err error)
	Deep  func() bool
}

// Share has this host do its part. The leader then has all bottlenecks in its cache and goes on to
// train; done is true on the others.
func (k *Work) Share(ctx context.Context) (done bool, err error) {
	if k.Config.Hosts.Rank() == 0 {
		return false, k.lead(ctx)
	}
	return true, Contribute(ctx, k.Config, func(ctx context.Context) (string, error) {
		folder, w, err := k.Plan()
		if err != nil {
			return "", err
		}
		files, err := k.embed(ctx, folder, w)
		if err != nil {
			return "", err
		}
		scratch, err := k.Scratch()
		if err != nil {
			return "", err
		}
		return pack(scratch, files)
	})
}

// embed embeds every n-th picture, beginning with this host's rank, and returns the cache's files.
func (k *Work) embed(ctx context.Context, folder *dataset.Folder, w *inception.Weights) ([]string, error) {
	h := k.Config.Hosts
	mine := *folder
	mine.Items = nil
	for i := h.Rank(); i < len(folder.Items); i += len(h.All) {
		mine.Items = append(mine.Items, folder.Items[i])
	}
	k.Say("host %d of %d (%s): %d of %d pictures", h.Rank()+1, len(h.All), h.Current, len(mine.Items), len(folder.Items))
	return k.Embed(ctx, &mine, w)
}

// lead embeds the leader's share and merges those of the others into its cache.
func (k *Work) lead(ctx context.Context) (err error) {
	folder, w, err := k.Plan()
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
	files, err := c.Wait(ctx)
	if err != nil {
		return err
	}
	for host, file := range files {
		dir, err := os.MkdirTemp(scratch, "host-")
		if err != nil {
			return err
		}
		if err := unpack(dir, file, mine); err != nil {
			return fmt.Errorf("train: bottlenecks of %s: %w", host, err)
		}
		added, err := train.MergeCache(w, k.Engine, k.Cache, dir, k.Deep())
		if err != nil {
			return fmt.Errorf("train: bottlenecks of %s: %w", host, err)
		}
		k.Say("%d bottlenecks came from %s", added, host)
	}
	return nil
}

// bound is more than what a host sends of so many pictures, in bytes.
func (k *Work) bound(pictures int, w *inception.Weights) int64 {
	values := w.Features()
	if k.Deep() {
		values += inception.AllFeatures().Length(w.Width)
	}
	return 1<<20 + 2*int64(pictures)*int64(4*values+128)
}
