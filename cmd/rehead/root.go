package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/internal/visible"
	"github.com/c236555e/rehead/internal/wrongfield"
)

// Exit codes of the command line.
const (
	exitDone   = 0 // all that was asked for is done
	exitFailed = 1 // it could not be done; stderr says why in one sentence
	exitUsage  = 2 // the command line itself was wrong
)

//go:generate go test -run TestCLIPage . -update

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "rehead",
		Short: "Put a new softmax head on InceptionV3: label folders in, a served classifier out",
		Long: `Rehead trains a softmax head on a frozen, ImageNet-trained InceptionV3 from
folders of labelled pictures, measures it and serves it, without Python.

A weights REF is "embedded" (the small trunk in this binary, and the default),
"random[:WIDTH]" (made-up weights, for benchmarks), the name of a set that
"rehead weights pull" has fetched, or a weight file: rehead's own safetensors,
PyTorch .pth and safetensors (torchvision, timm, pytorch-fid), Keras .h5, ONNX,
TensorFlow's frozen graphs and TF-slim's checkpoints. The file's bytes decide,
never its name.

A MODEL is a model folder, its .tar.gz, or a weight file that still has its
ImageNet classifier.

With --json, stdout has one JSON object (predict: one a line) and nothing else.
Progress and notes go to stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage.

  REHEAD_KERNEL=ref   forces the plain-Go kernels
  REHEAD_CACHE=DIR    moves the cache of bottlenecks and pulled weights`,
		Example: `  rehead demo
  rehead weights pull keras
  rehead train flower_photos --weights keras -o model
  rehead predict model daisy.jpg
  rehead serve model --addr :8080`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		Version:           toolVersion(),
		Args:              needCommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return noNegatives(cmd) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.inTrainingJob() { // a job whose entry point has no arguments
				job, _, err := cmd.Find([]string{"train"})
				if err != nil {
					return err
				}
				job.SetContext(cmd.Context())
				return job.RunE(job, nil)
			}
			return cmd.Help()
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(wrongFlag)
	root.SetUsageFunc(a.usage)
	root.SetVersionTemplate("rehead {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newTrain(a), newPredict(a), newEvaluate(a), newCompare(a), newReport(a), newServe(a), newEmbed(a),
		newBench(a), newWeights(a), newInspect(a), newExport(a), newDoctor(a), newDemo(a), newVersion(a),
	)
	return root
}

// longWork is how long a command takes at least whose time is printed when it is done.
const longWork = time.Second

// run executes one command line and returns the process's exit code.
func run(ctx context.Context, a *app, args []string) int {
	a.stdout, a.stderr = visible.Writer{To: a.stdout}, visible.Writer{To: a.stderr}
	began := time.Now()
	a.cloud = newCloud(ctx)
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		if took := time.Since(began); took >= longWork && cmd.Name() != "serve" {
			a.note("%s", a.paintNote(faint, "done in "+duration(took)))
		}
		return exitDone
	}
	var wrong *wrongfield.Error
	if errors.As(err, &wrong) {
		err = byFlags(cmd.Flags(), wrong)
	}
	says := a.paintNote(red, "rehead: ")
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		detail := ""
		// of what the next run goes on from
		if cmd.Name() == "train" || cmd.Name() == "predict" && oneLine(err) != ctx.Err().Error() {
			detail = " (" + plain(err.Error()) + ")"
		}
		a.note("%s%s: interrupted; nothing half-written was left behind%s", says, cmd.Name(), detail)
		return exitFailed
	}
	a.note("%s%s", says, plain(err.Error()))
	if errors.As(err, new(*usageError)) {
		return exitUsage
	}
	return exitFailed
}

// duration is a time for people.
func duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
