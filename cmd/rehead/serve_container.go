package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/serve"
)

// containerServe follows SageMaker's environment. path is left "" for a multi-model server.
func (a *app) containerServe(cmd *cobra.Command, o *serveOptions, path *string) error {
	l := a.layout()
	if err := a.serveFlags(cmd.Flags()); err != nil {
		return err
	}
	o.warnings = a.unknownFlags(cmd.Flags())
	o.cfg.Page = o.cfg.Page && cmd.Flags().Changed("page")
	if err := a.containerNumbers(o); err != nil {
		return err
	}
	if err := a.containerTexts(cmd, o); err != nil {
		return err
	}
	o.cfg.Batch = strings.EqualFold(a.getenv("SAGEMAKER_BATCH"), "true")
	o.cfg.BatchStrategy = a.getenv("SAGEMAKER_BATCH_STRATEGY")
	if o.cfg.BatchStrategy == "" && a.getenv("SAGEMAKER_BATCH") == "True" {
		// the SDK's local mode, which copies what it is told and knows this spelling alone
		o.cfg.BatchStrategy = "MultiRecord"
	}
	if strings.EqualFold(a.getenv("SAGEMAKER_MULTI_MODEL"), "true") {
		memory, _ := systemMemory()
		o.cfg.MultiModel, o.cfg.ModelRoot, o.cfg.MemoryBudget = true, l.Path("models"), capsFor(memory, 0).models
		return nil
	}
	if _, err := os.Stat(filepath.Join(l.Model(), "model.json")); err != nil {
		if deeper := modelBelow(l.Model()); deeper != "" {
			return fmt.Errorf("serve: the model is in %s, want its files in %s itself: pack it with rehead "+
				"export MODEL -o model.tar.gz", deeper, l.Model())
		}
		return usagef("serve: name a MODEL; without one, a SageMaker model is looked for in %s, and there is none", l.Model())
	}
	*path = l.Model()
	return nil
}

// modelBelow finds a model that was packed with its folder around it; "" where there is none.
func modelBelow(dir string) string {
	found, _ := filepath.Glob(filepath.Join(dir, "*", "model.json")) // the pattern is a good one
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[0])
}

// containerTexts follows the variables that hold words.
func (a *app) containerTexts(cmd *cobra.Command, o *serveOptions) error {
	const accept, verbosity = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "SAGEMAKER_CONTAINER_LOG_LEVEL"
	o.cfg.DefaultAccept = a.getenv(accept)
	if err := (serve.Config{DefaultAccept: o.cfg.DefaultAccept}).Validate(); err != nil {
		return fmt.Errorf("serve: environment variable %s: %w", accept, err)
	}
	if level := a.getenv(verbosity); level != "" && !cmd.Flags().Changed("log-level") {
		o.logLevel = logLevel(level)
		if new(slog.Level).UnmarshalText([]byte(o.logLevel)) != nil {
			return fmt.Errorf("serve: environment variable %s: got %q, want debug, info, warning, error or a "+
				"number of Python's logging", verbosity, level)
		}
	}
	return nil
}

// unknownFlags names the variables that look like flags of serve and are none, with the nearest
// that is. They are no error: beside a service called rehead-serve, Kubernetes sets
// REHEAD_SERVE_PORT and more of itself.
func (a *app) unknownFlags(flags *pflag.FlagSet) (warnings []string) {
	if a.environ == nil {
		return nil
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, flagVariable(f.Name)) })
	for _, setting := range a.environ() {
		name, _, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, flagVariable("")) && !slices.Contains(names, name) {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is no flag of serve and changes "+
				"nothing; the nearest is %s", name, sagemaker.Nearest(name, names)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// flagVariable is the variable that stands for a flag of serve.
func flagVariable(flag string) string {
	return "REHEAD_SERVE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// serveFlags sets the flags that the command line leaves out from variables: the service starts a
// container with the argument serve alone, so that --compat builtin is REHEAD_SERVE_COMPAT=builtin
// there.
func (a *app) serveFlags(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := flagVariable(f.Name)
		value := a.getenv(name)
		if value == "" || f.Changed || err != nil {
			return
		}
		if failed := flags.Set(f.Name, value); failed != nil {
			err = fmt.Errorf("serve: environment variable %s: %w", name, failed)
		}
	})
	return err
}

// containerNumbers reads the variables that hold whole numbers. Those that size a pool of worker
// processes are accepted and change nothing: one process answers on every core.
func (a *app) containerNumbers(o *serveOptions) error {
	setNumber := func(name string, most int, set func(int)) error {
		v := a.getenv(name)
		if v == "" {
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > most {
			return fmt.Errorf("serve: environment variable %s: got %q, want a whole number from 0 to %d", name, v, most)
		}
		set(n)
		return nil
	}
	const mostNumber = 1_000_000
	seconds := func(n int) { o.cfg.RequestTimeout = time.Duration(n) * time.Second }
	nothing := func(int) {}
	return errors.Join(
		setNumber("SAGEMAKER_BIND_TO_PORT", 65535, func(n int) { o.addr = fmt.Sprintf(":%d", n) }),
		setNumber("SAGEMAKER_MAX_PAYLOAD_IN_MB", 4096, func(n int) { // 0: the service streams without a bound; ours stays
			if n > 0 {
				o.cfg.MaxBodyBytes = int64(n) << 20
				o.limits.maxBytes = max(picture.DefaultMaxBytes, o.cfg.MaxBodyBytes)
			}
		}),
		setNumber("MODEL_SERVER_TIMEOUT", mostNumber, seconds),
		setNumber("SAGEMAKER_MODEL_SERVER_TIMEOUT", mostNumber, seconds),
		setNumber("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", mostNumber, seconds),
		setNumber("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", mostNumber, func(n int) { o.cfg.MaxConcurrentTransforms = n }),
		setNumber("MODEL_SERVER_WORKERS", mostNumber, nothing),
		setNumber("SAGEMAKER_MODEL_SERVER_WORKERS", mostNumber, nothing),
		// the platform's own time-out ends a start that takes too long
		setNumber("SAGEMAKER_STARTUP_TIMEOUT", mostNumber, nothing),
	)
}

// logLevel translates the levels of Python's logging, by number or name, which the service's
// variable holds.
func logLevel(level string) string {
	if n, err := strconv.Atoi(level); err == nil {
		switch {
		case n <= 10:
			return "debug"
		case n <= 20:
			return "info"
		case n <= 30:
			return "warn"
		}
		return "error"
	}
	switch strings.ToLower(level) {
	case "warning":
		return "warn"
	case "critical", "fatal":
		return "error"
	}
	return level
}
