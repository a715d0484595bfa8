package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// Job is what is to be done, as it travels to the workers: with each DoFn, as JSON.
type Job struct {
	Run     string   // tells this run's summary from an earlier one's
	Sources []string // pictures, folders, archives and manifests
	Out     string   // folder or prefix of a bucket that everything is written to
	Model   string   // to classify with; "" to embed
	Weights string   // REF of the trunk to embed with
	Reads   string   // train.ParseFeatures
	Format  string   // of the shards, one of formats
	Rows    int      // pictures of a part
	Top     int      // labels of an answer
	Retry   bool     // parts with pictures that could not be read are done again
	Prune   bool     // shards of other pictures or settings are removed

	Threads        int
	Device, Kernel string
	MaxBytes       int64
	MaxPixels      int64

	ImageRoot, StripPrefix, LabelsAt string // dataset.ManifestConfig
	MultiLabel                       bool
}

// Formats of shards.
const (
	formatShards  = "shards"
	formatParquet = "parquet"
	formatCSV     = "csv"
	formatJSON    = "json"
)

// endings are those of the shards of each format.
var endings = map[string]string{formatShards: ".safetensors", formatParquet: ".parquet", formatCSV: ".csv",
	formatJSON: ".jsonl"}

// check completes the job and says what is wrong with it.
func (j *Job) check() error {
	if len(j.Sources) == 0 {
		return errors.New("name the pictures: files, folders, archives or manifests")
	}
	if j.Out == "" {
		return errors.New("--output is missing: name the folder to write to, which every worker has to reach")
	}
	formats := []string{formatShards, formatParquet}
	if j.Model != "" {
		formats = []string{formatParquet, formatCSV, formatJSON}
		if j.Weights != "" || j.Reads != "" {
			return errors.New("--weights and --features are for bottlenecks: leave them out beside --model, which says both")
		}
	}
	if j.Format == "" {
		j.Format = formats[0]
	}
	if !slices.Contains(formats, j.Format) {
		return fmt.Errorf("--format: got %q, want %s", j.Format, strings.Join(formats, " or "))
	}
	if j.Rows < 1 || j.Rows > 1<<20 {
		return fmt.Errorf("--shard: got %d pictures, want 1 to %d", j.Rows, 1<<20)
	}
	if j.Top < 1 {
		return fmt.Errorf("--top: got %d, want at least 1", j.Top)
	}
	if j.Weights == "" {
		j.Weights = embedded.Name
	}
	if _, err := train.ParseFeatures(j.Reads); err != nil {
		return fmt.Errorf("--features: %w", err)
	}
	if !slices.Contains([]string{"", dataset.LabelsAtTop, dataset.LabelsAtLeaf}, j.LabelsAt) {
		return fmt.Errorf("--labels-at: got %q, want top or leaf", j.LabelsAt)
	}
	if err := j.engine().Validate(); err != nil {
		return err
	}
	return j.absolute()
}

// absolute makes paths mean the same in a worker, which stands in another folder.
func (j *Job) absolute() (err error) {
	for i := range j.Sources {
		if j.Sources[i], err = absolute(j.Sources[i]); err != nil {
			return err
		}
	}
	for flag, path := range map[string]string{"output": j.Out, "model": j.Model, "weights": j.Weights,
		"image-root": j.ImageRoot} {
		if err := followed(flag, path); err != nil {
			return err
		}
	}
	paths := []*string{&j.Out, &j.Model, &j.ImageRoot}
	if _, err := os.Stat(j.Weights); err == nil { // else it is a name
		paths = append(paths, &j.Weights)
	}
	for _, path := range paths {
		if *path == "" {
			continue
		}
		if *path, err = absolute(*path); err != nil {
			return err
		}
	}
	return nil
}

// absolute is filepath.Abs, which leaves addresses as they are.
func absolute(path string) (string, error) {
	if source.Scheme(path) != "" {
		return path, nil
	}
	return filepath.Abs(path)
}

func (j *Job) engine() nn.Config {
	return nn.Config{Threads: j.Threads, Device: j.Device, Kernel: j.Kernel}
}

func (j *Job) limits() picture.Limits {
	return picture.Limits{MaxBytes: j.MaxBytes, MaxPixels: j.MaxPixels}
}

// open reads label folders and manifests.
func (j *Job) open(store source.Store, path string) (*dataset.Folder, error) {
	return dataset.OpenStore(store, path, dataset.ManifestConfig{Root: j.ImageRoot, StripPrefix: j.StripPrefix, LabelsAt: j.LabelsAt,
		MultiLabel: j.MultiLabel, MinLabels: 1})
}
