package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/dataset"
)

// containerServe follows SageMaker's environment. path is left "" for a multi-model server.
func (a *app) containerServe(cmd *cobra.Command, o *serveOptions, path *string) error {
	l := a.layout()
	if err := a.serveFlags(cmd.Flags()); err != nil {
		return err
	}
	o.cfg.Page = o.cfg.Page && cmd.Flags().Changed("page")
	if err := a.containerNumbers(o); err != nil {
		return err
	}
	if level := a.getenv("SAGEMAKER_CONTAINER_LOG_LEVEL"); level != "" && !cmd.Flags().Changed("log-level") {
		o.logLevel = logLevel(level)
	}
	o.cfg.DefaultAccept = a.getenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
	o.cfg.Batch = strings.EqualFold(a.getenv("SAGEMAKER_BATCH"), "true")
	o.cfg.BatchStrategy = a.getenv("SAGEMAKER_BATCH_STRATEGY")
	if o.cfg.BatchStrategy == "" && a.getenv("SAGEMAKER_BATCH") == "True" {
		o.cfg.BatchStrategy = "MultiRecord" // the SDK's local mode, which copies what it is told and knows this spelling alone
	}
	if strings.EqualFold(a.getenv("SAGEMAKER_MULTI_MODEL"), "true") {
		memory, _ := systemMemory()
		o.cfg.MultiModel, o.cfg.ModelRoot, o.cfg.MemoryBudget = true, l.Path("models"), capsFor(memory, 0).models
		return nil
	}
	if _, err := os.Stat(filepath.Join(l.Model(), "model.json")); err != nil {
		return usagef("serve: name a MODEL; without one, a SageMaker model is looked for in %s, and there is none", l.Model())
	}
	*path = l.Model()
	return nil
}

// serveFlags sets the flags that the command line leaves out from variables: the service starts a container with the argument serve alone,
// so that --compat builtin is REHEAD_SERVE_COMPAT=builtin there.
func (a *app) serveFlags(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "REHEAD_SERVE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
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

// containerNumbers reads the variables that hold whole numbers. Those that size a pool of worker processes are accepted and change
// nothing: one process answers on every core.
func (a *app) containerNumbers(o *serveOptions) error {
	setNumber := func(name string, set func(int)) error {
		v := a.getenv(name)
		if v == "" {
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("serve: environment variable %s: got %q, want a whole number, 0 or more", name, v)
		}
		set(n)
		return nil
	}
	seconds := func(n int) { o.cfg.RequestTimeout = time.Duration(n) * time.Second }
	nothing := func(int) {}
	return errors.Join(
		setNumber("SAGEMAKER_BIND_TO_PORT", func(n int) { o.addr = fmt.Sprintf(":%d", n) }),
		setNumber("SAGEMAKER_MAX_PAYLOAD_IN_MB", func(n int) { // 0: the service streams without a bound; ours stays
			if n > 0 {
				o.cfg.MaxBodyBytes = int64(n) << 20
				o.limits.maxBytes = max(dataset.DefaultMaxBytes, o.cfg.MaxBodyBytes)
			}
		}),
		setNumber("MODEL_SERVER_TIMEOUT", seconds),
		setNumber("SAGEMAKER_MODEL_SERVER_TIMEOUT", seconds),
		setNumber("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", seconds),
		setNumber("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", func(n int) { o.cfg.MaxConcurrentTransforms = n }),
		setNumber("MODEL_SERVER_WORKERS", nothing),
		setNumber("SAGEMAKER_MODEL_SERVER_WORKERS", nothing),
		setNumber("SAGEMAKER_STARTUP_TIMEOUT", nothing), // the platform's own time-out ends a start that takes too long
	)
}

// logLevel translates the levels of Python's logging, by number or name, which the service's variable holds.
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
