package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// Exit codes of the command line.
const (
	exitDone   = 0 // all that was asked for is done
	exitFailed = 1 // it could not be done; stderr says why in one sentence
	exitUsage  = 2 // the command line itself was wrong
)

// app is the outside world as the subcommands see it, so that tests can stand in for it.
type app struct {
	stdout, stderr io.Writer
	tty            bool                // stdout is a terminal
	errTTY         bool                // stderr is a terminal: progress bars may be drawn
	getenv         func(string) string // "" where unset
	environ        func() []string     // all of it, NAME=VALUE; nil in most tests
}

func osApp() *app {
	return &app{
		stdout: os.Stdout,
		stderr: os.Stderr,
		tty:    term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
		getenv: os.Getenv, environ: os.Environ,
	}
}

// people is where text for people goes: stdout where somebody watches it, else stderr, so that a
// pipe carries results alone.
func (a *app) people() io.Writer {
	if a.tty {
		return a.stdout
	}
	return a.stderr
}

// say prints a line for people.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.people(), format+"\n", args...)
}

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

// engineFlags are the flags of every command that runs the network.
type engineFlags struct {
	threads int
	device  string
	kernel  string
	trunk   string // REF of the trunk for a model without one; see addTrunk

	precision string // see addPrecision

	resolve func(ref string) (*inception.Weights, error)
}

func (e *engineFlags) add(cmd *cobra.Command, a *app) {
	e.resolve = a.resolve
	cmd.Flags().IntVar(&e.threads, "threads", 0, "threads of the network (0: one per core)")
	cmd.Flags().StringVar(&e.device, "device", "auto",
		"where the network runs: "+strings.Join(append([]string{"auto"}, nn.Devices()...), ", "))
	cmd.Flags().StringVar(&e.kernel, "kernel", a.getenv("REHEAD_KERNEL"),
		"kernels: ref for plain Go, else the best of this machine (env REHEAD_KERNEL)")
}

// addPrecision adds --precision to commands that make or use a trunk.
func (e *engineFlags) addPrecision(cmd *cobra.Command, help string) {
	cmd.Flags().StringVar(&e.precision, "precision", "",
		fmt.Sprintf("what the network computes with, %s or %s: %s", nn.Float32, nn.Int8, help))
}

// quantized reports whether --precision asks for int8.
func (e *engineFlags) quantized() (bool, error) {
	p, err := nn.ParsePrecision(e.precision)
	if err != nil {
		return false, usagef("--precision: %w", err)
	}
	return p == nn.Int8, nil
}

func (e *engineFlags) config() (nn.Config, error) {
	if _, err := e.quantized(); err != nil {
		return nn.Config{}, err
	}
	if e.threads < 0 {
		return nn.Config{}, usagef("--threads: got %d, want 0 (one per core) or more", e.threads)
	}
	cfg := nn.Config{Threads: e.threads, Kernel: e.kernel}
	if e.device != "auto" {
		cfg.Device = e.device
	}
	return cfg, nil
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "rehead",
		Short: "Put a new softmax head on InceptionV3: label folders in, a served classifier out",
		Long: `rehead trains a softmax head on a frozen, ImageNet-trained InceptionV3 from folders of labelled pictures,
measures it and serves it, without Python. A weights REF is "embedded", "random[:WIDTH]" or a weight file;
a MODEL is a model folder, its .tar.gz, or a weight file that still has its ImageNet classifier.`,
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
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newTrain(a), newPredict(a), newEvaluate(a), newServe(a), newEmbed(a),
		newBench(a), newWeights(a), newInspect(a), newExport(a), newDoctor(a), newDemo(a), newVersion(a),
	)
	return root
}

// run executes one command line and returns the process's exit code.
func run(ctx context.Context, a *app, args []string) int {
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
		if cmd.Name() == "train" { // says what the next run goes on from
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

// width is how many columns the terminal at stderr has; columns where that is not known.
func (a *app) width() int {
	if f, ok := a.stderr.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return columns
}
