package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
)

// shardFlags are the flags of a training on shards.
type shardFlags struct {
	places []string
	memory byteSize
	passes int
}

func (s *shardFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.places, "bottlenecks", nil,
		"train on shards of bottlenecks, files or folders of them, in the place of pictures; arguments are more of them")
	f.Var(&s.memory, "memory",
		"what a training on shards may hold beside the trunk, such as 8GB; part of the result (default: 2GB)")
	f.IntVar(&s.passes, "passes", 0,
		fmt.Sprintf("maximum passes of a training over its shards (0: %d)", head.DefaultPasses))
}

// ofShards are the flags of train that a training on shards knows.
const ofShards = " bottlenecks memory passes weights output cache dtype no-trunk force name json min-accuracy " +
	"validation test salt seed l2 scaling label-smoothing class-weights checkpoint-every solver threads kernel device " +
	"precision resize color stretch no-report unknown "

// check refuses what has no meaning with shards: nothing that was asked for is passed over in silence.
func (s *shardFlags) check(flags *pflag.FlagSet) error {
	var others []string
	flags.Visit(func(f *pflag.Flag) {
		if local := flags.Lookup(f.Name); local != nil && !strings.Contains(ofShards, " "+f.Name+" ") && !global(f.Name) {
			others = append(others, "--"+f.Name)
		}
	})
	if len(others) > 0 {
		return usagef("train: %s: a training on shards has no pictures to do that with: leave it out, or train on pictures",
			strings.Join(others, ", "))
	}
	return nil
}

// global says whether a flag is of all commands.
func global(name string) bool {
	return name == "quiet" || name == "log-format" || name == "color-output"
}

// trainShards trains on shards and leaves the model at o.out, where saved is called.
func (a *app) trainShards(ctx context.Context, args []string, o *trainOptions, saved func() error) error {
	sc, err := a.shardConfig(o)
	if err != nil {
		return err
	}
	places, err := shards.FindAt(a.cloud.addresses(), append(o.shards.places, args...)...)
	if err != nil {
		return err
	}
	set, err := shards.OpenSet(ctx, places)
	if err != nil {
		return err
	}
	w, err := a.shardWeights(o)
	if err != nil {
		return err
	}
	a.note("%s of %s in %s; trunk %s", plural.Count(set.Rows, "row"), plural.Count(len(set.Labels), "label"),
		plural.Count(set.Shards(), "shard"), describeTrunk(w))
	// What the collector lets lie between two of its runs counts, too.
	if limit := max(sc.Memory, head.DefaultMemory); debug.SetMemoryLimit(-1) == math.MaxInt64 {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit + trunkBytes))
	}
	p := a.trainProgress()
	sc.Progress = func(e train.Event) {
		if e.Phase != train.PhaseFit {
			p.event(e)
			return
		}
		p.done()
		searched := ""
		if sc.L2 < 0 {
			searched = fmt.Sprintf("L2 %.2g, ", e.L2)
		}
		a.note("%spass %d: loss %.6f, at most %.2g above the least; validation accuracy %s", searched, e.Done+1, e.Loss,
			e.Gap, percent(e.ValidationAccuracy))
	}
	r, err := train.RunShards(ctx, set, w, sc)
	p.done()
	if err != nil {
		return aboutFull(err, sc.Checkpoints.Dir)
	}
	for _, n := range r.Notes {
		a.note("%s", n)
	}
	for _, step := range []func() error{func() error { return a.save(r.Model, nil, o) }, saved, r.Finish} {
		if err := step(); err != nil {
			return err
		}
	}
	if o.asJSON {
		err = a.printTrainJSON(r, o.out, false)
	} else {
		a.printTrained(r, o.out, false)
	}
	if !a.errTTY {
		a.printMetricLines(&r.Metrics)
	}
	return errors.Join(err, r.Metrics.RequireAccuracy(o.least))
}

// shardConfig is what the flags say, and says before the long work what cannot be.
func (a *app) shardConfig(o *trainOptions) (train.ShardConfig, error) {
	cfg, err := a.trainConfig(o)
	if err != nil {
		return train.ShardConfig{}, err
	}
	err = errors.Join(checkMinAccuracy(o.least), oneOf("dtype", o.dtype, "f32", "f16"), a.checkOutputs(o))
	if err != nil {
		return train.ShardConfig{}, err
	}
	sc := train.ShardConfig{Options: cfg.Options, Split: cfg.Split, ClassWeights: cfg.ClassWeights,
		Memory: int64(o.shards.memory), Passes: o.shards.passes, Unknown: cfg.Unknown, Precision: cfg.Precision,
		Engine: cfg.Engine, Date: cfg.Date, ToolVersion: cfg.ToolVersion, Name: cfg.Name}
	return sc, errors.Join(sc.Validate(), cfg.Engine.Probe())
}

// trunkBytes is what the trunk and the program take beside what a training on shards may hold.
const trunkBytes = 400 << 20

// shardWeights are the trunk that the shards have to be of.
func (a *app) shardWeights(o *trainOptions) (*inception.Weights, error) {
	w, err := a.resolve(o.weights)
	if err != nil {
		return nil, err
	}
	if w, err = o.input.apply(w); err != nil {
		return nil, err
	}
	if nn.Precision(o.engine.precision) == nn.BFloat16 && w.Precision() == nn.Float32 {
		return w.Narrowed()
	}
	return w, nil
}

// byteSize is a number of bytes as people write it.
type byteSize int64

var byteUnits = []struct {
	name string
	of   int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}}

func (v *byteSize) String() string {
	for _, u := range byteUnits {
		if n := int64(*v); n > 0 && n%u.of == 0 {
			return strconv.FormatInt(n/u.of, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*v), 10)
}

func (v *byteSize) Type() string { return "size" }

func (v *byteSize) Set(text string) error {
	number, of := strings.ToUpper(strings.TrimSpace(text)), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(strings.Replace(number, "IB", "B", 1), u.name); ok {
			number, of = strings.TrimSpace(rest), u.of
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) || n*float64(of) > 1<<60 {
		return fmt.Errorf("got %q, want a size such as 800MB or 8GB", text)
	}
	*v = byteSize(n * float64(of))
	return nil
}
