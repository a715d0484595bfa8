package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/hyperparameters"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/internal/spelling"
	"github.com/c236555e/rehead/internal/wrongfield"
)

// usageError marks an error of the command line itself: exit code 2 instead of 1.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// oneOf refuses a flag's value that is none of those it may have.
func oneOf(flag, value string, want ...string) error {
	if slices.Contains(want, value) {
		return nil
	}
	return usagef("--%s: got %q, want %s%s", flag, value, spelling.List(want), spelling.Suggest(value, want))
}

// needArgs asks for at least least and at most most arguments (most < 0: any number), named in the
// usage line of the command.
func needArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usagef("got %s, want %s; see %s --help", plural.Count(len(args), "argument"),
				strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.CommandPath())
		}
		return nil
	}
}

// needCommand refuses what stands where the name of a command should.
func needCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	hint := spelling.Suggest(args[0], names)
	if info, err := os.Stat(args[0]); hint == "" && err == nil && info.IsDir() && !cmd.HasParent() {
		hint = fmt.Sprintf("; to train on the pictures in this folder: rehead train %s", args[0])
	}
	return usagef("unknown command %q%s; see %s --help", args[0], hint, cmd.CommandPath())
}

// wrongFlag says in words what is wrong with a flag.
func wrongFlag(cmd *cobra.Command, err error) error {
	see := fmt.Sprintf("; see %s --help", cmd.CommandPath())
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		name, dashes := unknown.GetSpecifiedName(), "--"
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			name, dashes = short, "-" // -weights for --weights
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, "--"+f.Name)
			}
		})
		return usagef("unknown flag %s%s%s%s", dashes, name, spelling.Suggest("--"+name, names), see)
	case errors.As(err, &value):
		f := value.GetFlag()
		if want := hyperparameters.Want(f.Value.Type()); want != "" {
			return usagef("--%s: got %q, want %s", f.Name, value.GetValue(), want)
		}
		return usagef("--%s: %w", f.Name, value.Unwrap())
	case errors.As(err, &missing):
		return usagef("--%s: its value is missing%s", missing.GetFlag().Name, see)
	}
	return usagef("%w%s", err, see)
}

// mayBeNegative are flags of numbers for which a negative one means something.
var mayBeNegative = []string{"l2", "max-bad", "patience", "top"}

// noNegatives refuses negative numbers where they mean nothing.
func noNegatives(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if v, bad := strconv.ParseFloat(f.Value.String(), 64); bad == nil && v < 0 && err == nil &&
			slices.Contains([]string{"int", "int64", "float64"}, f.Value.Type()) && !slices.Contains(mayBeNegative, f.Name) {
			err = usagef("--%s: got %s, want 0 or more", f.Name, f.Value)
		}
	})
	return err
}

// flagOf are flags that set a field of another name.
var flagOf = map[string]string{"Rate": "learning-rate", "Smoothing": "label-smoothing", "MaxBodyBytes": "max-body",
	"MaxHeldBytes": "max-held", "MaxAnswerBytes": "max-answer", "MaxDecodeBytes": "max-decode",
	"MaxHeaderBytes": "max-header", "ReadHeaderTimeout": "header-timeout", "RequestTimeout": "timeout", "TopK": "top",
	"DropEvery, Batch, Epochs and Steps": "drop-every, --batch-size, --epochs and --steps"}

var field = regexp.MustCompile(`[A-Z]\w*`)

// byFlags is an error about fields of a configuration as one about the flags that set them; of fields
// that no flag sets it is the error itself.
func byFlags(flags *pflag.FlagSet, e *wrongfield.Error) error {
	if names, ok := flagOf[e.Fields]; ok {
		return usagef("--%s: %w", names, e.Err)
	}
	known := false
	names := field.ReplaceAllStringFunc(e.Fields, func(name string) string {
		flag := flagOf[name]
		if flag == "" {
			flag = hyphens(name)
		}
		if flags.Lookup(flag) == nil {
			return name
		}
		known = true
		return "--" + flag
	})
	if !known {
		return e
	}
	return usagef("%s: %w", names, e.Err)
}

// hyphens is a field's name as flags are spelled: AnswerViews is answer-views.
func hyphens(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// ours are names of packages at the beginning of a message or of a part of it.
var ours = regexp.MustCompile(`(^|: |; )(?:(?:train|inception|dataset|picture|doctor|convert|registry|nn|engine|` +
	`kernel|` +
	`linalg|safetensors|serve|sagemaker|export|embedded|source|cache|head|metrics|report|draw|config|bench): )+`)

// plain is a message on a single line as people read it, without the names of packages: logs and the
// failure file want one sentence.
func plain(text string) string {
	return ours.ReplaceAllString(strings.Join(strings.Fields(text), " "), "$1")
}

// oneLine keeps an error to a single line.
func oneLine(err error) string { return answer.OneLine(err) }
