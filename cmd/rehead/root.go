package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/internal/visible"
)

// Exit codes of the command line.
const (
	exitDone   = 0 // all that was asked for is done
	exitFailed = 1 // it could not be done; stderr says why in one sentence
	exitUsage  = 2 // the command line itself was wrong
)

// usageError marks an error of the command line itself: exit code 2 instead of 1.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// needArgs asks for at least least and at most most arguments (most < 0: any number), named in the
// usage line of the command.
func needArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usagef("%s: got %d arguments, want %s", cmd.CommandPath(), len(args), cmd.UseLine())
		}
		return nil
	}
}

//go:generate go test -run TestCLIPage . -update

// helpWidth makes pflag break the flags' help within 80 columns: it lets a line be 5 longer.
const helpWidth = "75"

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
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          needArgs(0, 0),
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
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s: %w; see %s --help", cmd.CommandPath(), err, cmd.CommandPath())
	})
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages ", "FlagUsagesWrapped "+helpWidth+" "))
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newTrain(a), newPredict(a), newEvaluate(a), newReport(a), newServe(a), newEmbed(a),
		newBench(a), newWeights(a), newInspect(a), newExport(a), newDoctor(a), newDemo(a), newVersion(a),
	)
	return root
}

// run executes one command line and returns the process's exit code.
func run(ctx context.Context, a *app, args []string) int {
	a.stdout, a.stderr = visible.Writer{To: a.stdout}, visible.Writer{To: a.stderr}
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var usage *usageError
	// Cobra reports an unknown subcommand itself, as an error of the root command's.
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintf(a.stderr, "rehead: %s\n", oneLine(err))
		return exitUsage
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		detail := ""
		// of what the next run goes on from
		if cmd.Name() == "train" || cmd.Name() == "predict" && oneLine(err) != ctx.Err().Error() {
			detail = " (" + oneLine(err) + ")"
		}
		fmt.Fprintf(a.stderr, "rehead: %s: interrupted; nothing half-written was left behind%s\n", cmd.Name(), detail)
		return exitFailed
	}
	fmt.Fprintf(a.stderr, "rehead: %s\n", oneLine(err))
	return exitFailed
}

// oneLine keeps an error to a single line: logs and the failure file want one sentence.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
