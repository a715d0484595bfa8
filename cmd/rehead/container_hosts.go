package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train"
)

// hostsPort is where the leader of a job with several hosts listens. Inside a job every port is
// free.
const hostsPort = 7733

// cacheName is this host's folder of bottlenecks among the checkpoints, which all hosts of a job
// share.
func (j *job) cacheName() string {
	if j.hosts.Rank() > 0 {
		return "bottlenecks-" + j.hosts.Current
	}
	return "bottlenecks"
}

// share has each of several hosts embed a part of the pictures. The leader gets all bottlenecks
// into its cache and goes on to train; done is true on the others. A job of one host has nothing to
// share.
func (j *job) share(ctx context.Context) (done bool, err error) {
	n := len(j.hosts.All)
	if n < 2 {
		return false, nil
	}
	cfg, err := j.exchange()
	if err != nil {
		return false, err
	}
	if j.o.cache == "none" {
		scratch, err := j.scratchDir()
		if err != nil {
			return false, err
		}
		j.o.cache = filepath.Join(scratch, "cache")
	}
	if j.hosts.Rank() > 0 {
		return true, sagemaker.Contribute(ctx, cfg, func(ctx context.Context) (string, error) {
			folder, w, err := j.plan()
			if err != nil {
				return "", err
			}
			return j.embedShare(ctx, folder, w)
		})
	}
	return false, j.lead(ctx, cfg)
}

// exchange checks that this job's hosts can share its work.
func (j *job) exchange() (sagemaker.ExchangeConfig, error) {
	for name, c := range j.channels {
		if c.Sharded() {
			return sagemaker.ExchangeConfig{},
				fmt.Errorf("train: channel %q is ShardedByS3Key among %d hosts: set its S3DataDistributionType to "+
					"FullyReplicated; the hosts share the work, but the split and the report need every picture on the first", name,
					len(j.hosts.All))
		}
	}
	port := hostsPort
	if v := j.getenv("REHEAD_HOSTS_PORT"); v != "" {
		var err error
		if port, err = strconv.Atoi(v); err != nil || port < 1 || port > 65535 {
			return sagemaker.ExchangeConfig{},
				fmt.Errorf("train: environment variable REHEAD_HOSTS_PORT: got %q, want 1..65535", v)
		}
	}
	return sagemaker.ExchangeConfig{Hosts: j.hosts,
		Job: cmp.Or(j.getenv("TRAINING_JOB_ARN"), j.getenv("TRAINING_JOB_NAME")), Port: port}, nil
}

// plan reads the pictures and the trunk.
func (j *job) plan() (*dataset.Folder, *inception.Weights, error) {
	folder, err := j.o.open(j.dir, 2)
	if err != nil {
		return nil, nil, err
	}
	w, err := j.resolve(j.o.weights)
	return folder, w, err
}

// embedShare embeds every n-th picture, beginning with this host's rank, and returns the cache
// file.
func (j *job) embedShare(ctx context.Context, folder *dataset.Folder, w *inception.Weights) (string, error) {
	cfg, err := j.trainConfig(j.o)
	if err != nil {
		return "", err
	}
	mine := *folder
	mine.Items = nil
	for i := j.hosts.Rank(); i < len(folder.Items); i += len(j.hosts.All) {
		mine.Items = append(mine.Items, folder.Items[i])
	}
	j.say("host %d of %d (%s): %d of %d pictures", j.hosts.Rank()+1, len(j.hosts.All), j.hosts.Current, len(mine.Items),
		len(folder.Items))
	p := j.trainProgress()
	cfg.Progress = p.event
	e, err := train.Embed(ctx, &mine, w, cfg)
	p.done()
	if err != nil {
		return "", err
	}
	j.say("%d bottlenecks computed, %d from the cache", e.Pictures, e.Cached)
	return e.Cache, nil
}

// lead embeds the leader's share and merges those of the others into its cache.
func (j *job) lead(ctx context.Context, cfg sagemaker.ExchangeConfig) (err error) {
	folder, w, err := j.plan()
	if err != nil {
		return err
	}
	scratch, err := j.scratchDir()
	if err != nil {
		return err
	}
	c, err := sagemaker.Collect(cfg, scratch, cacheBound(len(folder.Items), w.Features()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	mine, err := j.embedShare(ctx, folder, w)
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
		if err := os.Rename(file, filepath.Join(dir, filepath.Base(mine))); err != nil {
			return err
		}
		added, err := train.MergeCache(w, j.o.cache, dir)
		if err != nil {
			return fmt.Errorf("train: bottlenecks of %s: %w", host, err)
		}
		j.say("%d bottlenecks came from %s", added, host)
	}
	return nil
}

// cacheBound is more than the cache file of so many pictures takes, in bytes.
func cacheBound(pictures, features int) int64 {
	return 1<<20 + 2*int64(pictures)*int64(4*features+64)
}
