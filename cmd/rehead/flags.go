package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// engineFlags are the flags of every command that runs the network.
type engineFlags struct {
	nn.Config

	trunk     string // REF of the trunk for a model without one; see addTrunk
	precision string // see addPrecision
	views     int    // that answers are the mean of, 0 as the model says; see addViews

	resolve   func(ref string) (*inception.Weights, error)
	openModel func(path string) (*inception.Model, error)
	note      func(format string, args ...any) // for people, on stderr
}

func (e *engineFlags) add(cmd *cobra.Command, a *app) {
	e.resolve, e.openModel, e.note = a.resolve, a.openModel, a.note
	cmd.Flags().IntVar(&e.Threads, "threads", 0, "threads of the network (0: one per core)")
	cmd.Flags().StringVar(&e.Device, "device", "auto",
		"where the network runs: "+strings.Join(append([]string{"auto"}, nn.Devices()...), ", ")+several())
	cmd.Flags().StringVar(&e.Kernel, "kernel", a.getenv("REHEAD_KERNEL"),
		"kernels: ref for plain Go, else the best of this machine (env REHEAD_KERNEL)")
}

// several says how several units of a device are named, in a build that has such a device.
func several() string {
	for _, name := range nn.Devices() {
		if name == "cuda" {
			return "; several share the pictures: cuda:0,cuda:1 or cuda:all"
		}
	}
	return ""
}

// addPrecision adds --precision to commands that make or use a trunk.
func (e *engineFlags) addPrecision(cmd *cobra.Command, help string) {
	cmd.Flags().StringVar(&e.precision, "precision", "",
		fmt.Sprintf("what the network computes with, %s, %s or %s: %s", nn.Float32, nn.BFloat16, nn.Int8, help))
}

// asked returns the precision that --precision asks for, float32 where it is not given.
func (e *engineFlags) asked() (nn.Precision, error) {
	p, err := nn.ParsePrecision(e.precision)
	if err != nil {
		return "", usagef("--precision: %w", err)
	}
	return p, nil
}

// inPrecision returns w in the precision that is asked for; int8 takes its ranges from n pictures, as
// inception.Calibrate does.
func (e *engineFlags) inPrecision(ctx context.Context, w *inception.Weights, cfg nn.Config, n int,
	load func(i int, pixels []float32) error) (*inception.Weights, error) {
	p, err := e.asked()
	switch {
	case err != nil:
		return nil, err
	case p == nn.BFloat16:
		return w.Narrowed()
	case p == nn.Int8:
		return inception.Calibrate(ctx, w, cfg, n, load)
	}
	return w, nil
}

// config is what the flags say, checked.
func (e *engineFlags) config() (nn.Config, error) {
	if _, err := e.asked(); err != nil {
		return nn.Config{}, err
	}
	name, _, _ := strings.Cut(cmp.Or(e.Device, "auto"), ":")
	if name != "cuda" && name != "onnxruntime" { // of those, Probe knows which build has them
		if err := oneOf("device", name, append([]string{"auto"}, kinds(nn.Devices())...)...); err != nil {
			return nn.Config{}, err
		}
	}
	if e.views > picture.MaxViews {
		return nn.Config{}, usagef("--views: got %d, want 0 (as the model says) to %d", e.views, picture.MaxViews)
	}
	if e.Kernel != "" && len(nn.Devices()) == 1 { // those of other devices are known when they are opened
		if err := oneOf("kernel", e.Kernel, nn.Kernels()...); err != nil {
			return nn.Config{}, err
		}
	}
	cfg := e.Config
	if cfg.Device == "auto" {
		cfg.Device = ""
		for _, unit := range nn.PassedOver() {
			name, what, _ := strings.Cut(unit, " ")
			e.note("--device auto leaves %s alone, %s: --device %s computes there, with kernels that are not yet measured on "+
				"hardware", name, what, name)
		}
	}
	probed := cfg
	probed.Precision = nn.Precision(e.precision)
	return cfg, aboutDevice("device", probed.Probe())
}

// aboutDevice makes an error about a device's name one of the command line; one about what this machine
// has stays as it is.
func aboutDevice(flag string, err error) error {
	if errors.Is(err, nn.ErrDeviceName) {
		return usagef("--%s: %w", flag, err)
	}
	return err
}

// kinds are devices without what stands behind a colon.
func kinds(devices []string) []string {
	out := make([]string, len(devices))
	for i, d := range devices {
		out[i], _, _ = strings.Cut(d, ":")
	}
	return slices.Compact(out)
}

// limitFlags are the bounds that every picture read from disk or network must keep.
type limitFlags struct {
	maxBytes  int64
	maxPixels int64
}

func (l *limitFlags) limits() picture.Limits {
	return picture.Limits{MaxBytes: l.maxBytes, MaxPixels: l.maxPixels}
}

func (l *limitFlags) add(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&l.maxBytes, "max-bytes", picture.DefaultMaxBytes, "maximum bytes of one picture")
	cmd.Flags().Int64Var(&l.maxPixels, "max-pixels", picture.DefaultMaxPixels, "maximum pixels of one picture")
}
