package train

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/wrongfield"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
)

// DefaultFolds is what a Config.Folds of 0 means.
const DefaultFolds = 5

// maxViews bounds how much a run may grow by views.
const maxViews = 1000

// Config sets a training run; the zero value is a good one.
type Config struct {
	EmbedConfig
	// how the head is solved for; with a negative L2 it and the scaling are searched for by
	// cross-validation on the training part. The seed is kept in the model, and draws views too
	head.Options
	// what evaluates the head while lbfgs solves for it: "": the network's device where it is a GPU of
	// package nn/cuda and rows, features and classes make that gain (head.Config.Device), else the processor;
	// "cpu"; or a device such as "cuda:1", however little there is to gain
	HeadDevice string
	// of rows, features and classes from which on a GPU gains, see head.Config.DeviceProducts
	HeadDeviceProducts float64
	Split              dataset.SplitConfig // which part of the pictures is held out; the zero value holds out 10 % + 10 %
	Folds              int                 // of a search for L2; 0 means DefaultFolds
	// what the head reads: FeaturesLast, FeaturesAll, FeaturesAuto, a list of blocks and statistics as
	// inception.ParseFeatures has it, or "", which is as FeaturesFor says
	Features string
	// how much each label's pictures count, beside the weights that pictures have in a manifest
	ClassWeights ClassWeights
	Augment      picture.Augment // how views of the training pictures are altered; with Views only
	// altered views of each training picture to train on beside it, cached as it is; 0 means none
	Views int
	// views of a picture that the model answers with, see inception.Model.Views; 0: the picture alone, to
	// picture.MaxViews. What the run measures is that of the pictures alone
	AnswerViews int
	// optional: the solver begins at this model's head; labels may be added, dropped and moved
	WarmStart *inception.Model
	// share of known pictures, 0..0.5, that the model may take for unknown, of the validation part;
	// 0: it never says so
	Unknown float64
	// most training pictures whose thumbnails the model keeps for explanations, 0 (none) to
	// inception.MaxNeighbours
	Neighbours int
	// of the trunk; "" means that of the weights; BFloat16 wants them of float32; Int8 with weights of
	// float32 calibrates on training pictures
	Precision   nn.Precision
	ToolVersion string // kept in the model
	Name        string // of the model, for people; "" for none
	// applied to the folder before anything else, and kept in the model
	Corrections []dataset.Correction
}

// Validate names the first field that is wrong.
func (c Config) Validate() error {
	if err := c.Split.Validate(); err != nil {
		return err
	}
	if err := c.EmbedConfig.Validate(); err != nil {
		return err
	}
	if err := (nn.Config{Device: c.HeadDevice}).Validate(); err != nil {
		return fmt.Errorf("train: config: HeadDevice: %w", err)
	}
	if c.Neighbours < 0 || c.Neighbours > inception.MaxNeighbours {
		return wrongfield.Errorf("train: config", "Neighbours",
			"got %d, want 0 (none) to %d", c.Neighbours, inception.MaxNeighbours)
	}
	if !(c.Unknown >= 0 && c.Unknown <= 0.5) {
		return wrongfield.Errorf("train: config", "Unknown", "got %g, want 0 (off) to 0.5", c.Unknown)
	}
	if c.Views < 0 || c.Views > maxViews {
		return wrongfield.Errorf("train: config", "Views", "got %d, want 0 (none) to %d", c.Views, maxViews)
	}
	if c.AnswerViews < 0 || c.AnswerViews > picture.MaxViews {
		return wrongfield.Errorf("train: config", "AnswerViews",
			"got %d, want 0 (none) to %d", c.AnswerViews, picture.MaxViews)
	}
	switch altered := c.Augment != (picture.Augment{}); {
	case altered && c.Views == 0:
		return wrongfield.Errorf("train: config", "Views", "got 0 with alterations, want at least 1")
	case !altered && c.Views > 0:
		return wrongfield.Errorf("train: config", "Views", "got %d and no alterations, want some of flip, crop, scale, "+
			"rotate, brightness and color, or 0 views", c.Views)
	}
	if _, _, err := parseFeatures(c.Features); err != nil {
		return err
	}
	if _, err := nn.ParsePrecision(string(c.Precision)); err != nil {
		return wrongfield.Errorf("train: config", "Precision", "%w", err)
	}
	if c.Folds < 0 || c.Folds == 1 {
		return wrongfield.Errorf("train: config", "Folds", "got %d, want 0 (default) or at least 2", c.Folds)
	}
	if err := c.Augment.Validate(); err != nil {
		return err
	}
	return c.Options.Validate()
}

// ErrUnreadable is found by errors.Is in the error of a run that met more unreadable pictures than
// EmbedConfig.MaxBad.
var ErrUnreadable = errors.New("pictures cannot be read")

// headDevice is the device of the head's solver, and whether it has to be.
func (c Config) headDevice() (name string, always bool) {
	switch {
	case c.HeadDevice != "":
		return c.HeadDevice, c.HeadDevice != "cpu"
	case c.Engine.Device == "auto": // takes no GPU that fits heads
		return "", false
	}
	return c.Engine.Device, false
}

// Probe says why a device that c names cannot be used on this machine. Run asks before it reads any
// picture; who scans a large folder for it may ask before.
func (c Config) Probe() error {
	engine := c.Engine
	engine.Precision = c.Precision
	if err := engine.Probe(); err != nil {
		return err
	}
	if name, always := c.headDevice(); always {
		if err := nn.ProbeRegression(name); err != nil {
			return fmt.Errorf("train: config: HeadDevice: %w", err)
		}
	}
	return nil
}

// EmbedConfig sets how bottlenecks are obtained; the zero value is a good one.
type EmbedConfig struct {
	// folder of bottleneck caches, made if need be; "": bottlenecks are kept in memory only
	CacheDir string
	// most unreadable pictures before the run is given up with ErrUnreadable; 0 means a tenth of all (at
	// least 10), negative means none
	MaxBad   int
	Batch    int            // pictures in one forward pass; 0 means inception's default
	Decoders int            // goroutines that decode and resize; 0 means GOMAXPROCS
	Engine   nn.Config      // threads (the solver's too), device and kernel; precision and ranges are the weights'
	Limits   picture.Limits // of one picture
	Progress func(Event)    // called now and then, from one goroutine at a time; must return quickly
	// optional: called by Run once every picture is checked, before any is embedded
	Checked func(*doctor.Checkup)
	Date    string // day of the run, such as 2026-11-30, for its report and the model; "" for none
	// of EmbedEach: what it gives of a picture, computed without the cache; nil means the bottleneck
	Reads *inception.Features
}

// Validate names the first field that is wrong.
func (c EmbedConfig) Validate() error {
	if c.Batch < 0 || c.Decoders < 0 || c.Engine.Threads < 0 || max(c.Batch, c.Decoders, c.Engine.Threads) > 4096 {
		return wrongfield.Errorf("train: config", "Batch, Decoders and Threads",
			"got %d, %d and %d, want 0 (default) to 4096",
			c.Batch, c.Decoders, c.Engine.Threads)
	}
	return c.Engine.Validate()
}

// maxBad returns how many of n pictures may be bad.
func (c EmbedConfig) maxBad(n int) int {
	switch {
	case c.MaxBad < 0:
		return 0
	case c.MaxBad == 0:
		return max(10, n/10)
	}
	return c.MaxBad
}

// ClassWeights says how much the pictures of each label count. The zero value is all the same.
type ClassWeights struct {
	// labels count the same altogether, however many pictures they have
	Balanced bool               `json:"balanced,omitempty"`
	Of       map[string]float64 `json:"of,omitempty"` // factors by label, above 0; labels that are not named have 1
}

// factors returns the factors in the order of labels.
func (c ClassWeights) factors(labels []string) ([]float64, error) {
	if c.Of == nil {
		return nil, nil
	}
	out := make([]float64, len(labels))
	known := make(map[string]bool, len(labels))
	for i, l := range labels {
		out[i], known[l] = 1, true
		if w, ok := c.Of[l]; ok {
			out[i] = w
		}
	}
	for _, l := range slices.Sorted(maps.Keys(c.Of)) {
		if !known[l] {
			return nil, wrongfield.Errorf("train: config", "ClassWeights", "there is no label %q, want labels out of %s", l,
				quoted(labels))
		}
	}
	return out, nil
}
