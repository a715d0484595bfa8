package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/plural"
)

const usage = `rehead-beam embeds or classifies pictures on Apache Beam.

  rehead-beam [flags] --output DIR IMAGE|DIR|ARCHIVE|MANIFEST...
  rehead-beam [flags] --output DIR --model MODEL IMAGE|DIR|ARCHIVE|MANIFEST...

It writes one shard for each --shard pictures, bottlenecks or with --model predictions, under a name
that is made from what goes into it. A run that was cut is started again with the same command: what is
finished is kept. Pictures that cannot be read end nothing: DIR/` + deadFile + ` lists them with their
reasons, DIR/` + summaryFile + ` counts. The exit code is 1 where the job failed or no picture could be read.

The pictures, DIR, and the model or weight file are read by the workers, by the same paths, or in
buckets, s3://BUCKET/PREFIX, with the credentials of their own environment. Without --runner the job runs
in this process, on Beam's prism.
`

// ours are the flags of this program, in the order of the help; the others are Beam's.
var ours = []string{"output", "model", "weights", "features", "format", "shard", "top", "retry", "prune", "json",
	"verbose", "image-root", "strip-prefix", "labels-at", "multi-label", "threads", "device", "kernel",
	"max-bytes", "max-pixels"}

// beams are the most used of Beam's.
var beams = []string{"runner", "endpoint", "environment_type", "environment_config", "worker_binary",
	"job_name", "async",
	"project", "region", "staging_location", "temp_location"}

// options are what is not part of the job.
type options struct{ json, verbose bool }

// flags registers the program's own.
func flags(f *flag.FlagSet) (*Job, *options) {
	j, o := &Job{}, &options{}
	f.StringVar(&j.Out, "output", "", "folder to write to, which every worker reaches, or an address")
	f.StringVar(&j.Model, "model", "", "model to classify with; without one bottlenecks are written")
	f.StringVar(&j.Weights, "weights", "", "trunk weights: a pulled set, a weight file or the default, "+embedded.Name)
	f.StringVar(&j.Reads, "features", "", "bottlenecks: last, all, or a list of blocks and statistics")
	f.StringVar(&j.Format, "format", "", "bottlenecks: shards, which rehead trains on, or parquet; predictions: parquet, "+
		"csv or json, an object a line (default: the first)")
	f.IntVar(&j.Rows, "shard", 2048, "pictures of a shard, which a stop costs at most for each worker")
	f.IntVar(&j.Top, "top", 5, "labels of a prediction")
	f.BoolVar(&j.Retry, "retry", false, "do finished shards again that have pictures without a row")
	f.BoolVar(&j.Prune, "prune", false, "remove shards in the folder that are of other pictures or settings")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	f.BoolVar(&o.verbose, "verbose", false, "print what the runner says")
	f.StringVar(&j.ImageRoot, "image-root", "", "folder that a manifest's relative paths start from (default: its own)")
	f.StringVar(&j.StripPrefix, "strip-prefix", "", "prefix that is cut off a manifest's paths")
	f.StringVar(&j.LabelsAt, "labels-at", "", "which folders are the labels: top or leaf")
	f.BoolVar(&j.MultiLabel, "multi-label", false, "pictures have any number of labels")
	f.IntVar(&j.Threads, "threads", 0, "threads of the network in a worker (0: one per core)")
	f.StringVar(&j.Device, "device", "auto", "where the network runs in a worker")
	f.StringVar(&j.Kernel, "kernel", os.Getenv("REHEAD_KERNEL"), "kernels (env REHEAD_KERNEL); a fleet of different "+
		"processors gives the same bits with ref alone")
	f.Int64Var(&j.MaxBytes, "max-bytes", picture.DefaultMaxBytes, "maximum bytes of one picture")
	f.Int64Var(&j.MaxPixels, "max-pixels", picture.DefaultMaxPixels, "maximum pixels of one picture")
	return j, o
}

// parse reads a command line, whose flags may stand behind its arguments.
func parse(f *flag.FlagSet, args []string) (rest []string, err error) {
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if args = f.Args(); len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	return rest, nil
}

func help(f *flag.FlagSet, w io.Writer) {
	fmt.Fprint(w, usage)
	list := func(title string, names []string) {
		fmt.Fprintf(w, "\n%s\n", title)
		for _, name := range names {
			if flag := f.Lookup(name); flag != nil {
				about, _, _ := strings.Cut(flag.Usage, "\n")
				fmt.Fprintf(w, "  --%-18s %s\n", name, about)
			}
		}
	}
	list("Flags:", ours)
	list("Flags of Beam, the most used:", beams)
}

func main() {
	if err := follow(); err != nil {
		fmt.Fprintf(os.Stderr, "rehead-beam: %v\n", err)
		os.Exit(1)
	}
	job, opt := flags(flag.CommandLine)
	flag.CommandLine.Init(os.Args[0], flag.ContinueOnError)
	flag.CommandLine.Usage = func() { help(flag.CommandLine, os.Stderr) }
	args, err := parse(flag.CommandLine, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	job.Sources = args
	beam.Init() // a worker that a runner has started never comes back from here
	if err := job.check(); err != nil {
		fmt.Fprintf(os.Stderr, "rehead-beam: %v (--help tells more)\n", err)
		os.Exit(2)
	}
	if err := run(context.Background(), job, opt, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "rehead-beam: %v\n", err)
		os.Exit(1)
	}
}

// run runs the job and says what became of it.
func run(ctx context.Context, j *Job, opt *options, out io.Writer) error {
	if *jobopts.WorkerBinary == "" { // else the SDK would compile one from its source
		self, err := os.Executable()
		if err != nil {
			return err
		}
		*jobopts.WorkerBinary = self
	}
	if *jobopts.JobName == "" {
		*jobopts.JobName = "rehead-" + map[bool]string{true: "embed", false: "predict"}[j.Model == ""]
	}
	j.Run = rand.Text()
	pipeline := j.build() // which makes a log of its own
	if !opt.verbose {
		slog.SetDefault(slog.New(slog.DiscardHandler)) // what went wrong comes back
	}
	if _, err := beamx.RunWithMetrics(ctx, pipeline); err != nil {
		return fmt.Errorf("the job failed; what is finished in %s is kept by the next run: %w", j.Out, j.cause(err, opt))
	}
	if *jobopts.Async {
		fmt.Fprintf(out, "the job is submitted; %s will count what became of it\n", source.Join(j.Out, summaryFile))
		return nil
	}
	var s summary
	var data []byte
	at, err := j.place(ctx)
	if err == nil {
		data, err = at.read(summaryFile)
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil || s.Run != j.Run {
		return fmt.Errorf("the job is done, but its summary is not in %s, as seen from here: was --output a folder or bucket that "+
			"the workers and this machine share? (%w)", j.Out, err)
	}
	return s.print(j, opt, data, out)
}

// cause is what failed, without the plan around it that Beam tells of.
func (j *Job) cause(err error, opt *options) error {
	text := err.Error()
	at := strings.LastIndex(text, "] failed:\n")
	if at < 0 || opt.verbose {
		return err
	}
	return errors.New(answer.OneLine(errors.New(text[at+len("] failed:"):])) + " (--verbose tells more)")
}

// print says what became of the job.
func (s *summary) print(j *Job, opt *options, data []byte, out io.Writer) error {
	if opt.json {
		if _, err := out.Write(data); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "%s: %s of %s in %s, %d of them kept from an earlier run\n", j.Out,
			plural.Count(s.Rows, "row", "rows"), plural.Count(s.Pictures, "picture", "pictures"),
			plural.Count(len(s.Shards), "shard", "shards"), s.Kept)
		if n := s.Dead + s.LeftOut; n > 0 {
			fmt.Fprintf(out, "%s could not be read and %s no picture: %s says why\n",
				plural.Count(s.Dead, "picture", "pictures"), plural.Count(s.LeftOut, "file is", "files are"),
				source.Join(j.Out, deadFile))
		}
		if n := len(s.Others); n > 0 {
			fmt.Fprintf(out, "%s in the folder of other pictures or settings: --prune removes them\n",
				plural.Count(n, "shard is", "shards are"))
		}
	}
	if s.Rows == 0 || s.Dead == s.Pictures {
		return fmt.Errorf("none of %s could be read: %s says why", plural.Count(s.Pictures, "picture", "pictures"),
			source.Join(j.Out, deadFile))
	}
	return nil
}
