package endpoint

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/serve"
)

// texts follows the variables that hold words.
func (e *Environment) texts(t Target) error {
	const accept, verbosity = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "SAGEMAKER_CONTAINER_LOG_LEVEL"
	t.Config.DefaultAccept = e.Getenv(accept)
	if err := (serve.Config{DefaultAccept: t.Config.DefaultAccept}).Validate(); err != nil {
		return fmt.Errorf("serve: environment variable %s: %w", accept, err)
	}
	if level := e.Getenv(verbosity); level != "" && !t.Flags.Changed("log-level") {
		*t.LogLevel = logLevel(level)
		if new(slog.Level).UnmarshalText([]byte(*t.LogLevel)) != nil {
			return fmt.Errorf("serve: environment variable %s: got %q, want debug, info, warning, error or a "+
				"number of Python's logging", verbosity, level)
		}
	}
	return nil
}

// numbers reads the variables that hold whole numbers. Those that size a pool of worker
// processes are accepted and change nothing: one process answers on every core.
func (e *Environment) numbers(t Target) error {
	setNumber := func(name string, most int, set func(int)) error {
		v := e.Getenv(name)
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
	seconds := func(n int) { t.Config.RequestTimeout = time.Duration(n) * time.Second }
	nothing := func(int) {}
	return errors.Join(
		setNumber("SAGEMAKER_BIND_TO_PORT", 65535, func(n int) { *t.Addr = fmt.Sprintf(":%d", n) }),
		setNumber("SAGEMAKER_MAX_PAYLOAD_IN_MB", 4096, func(n int) { // 0: the service streams without a bound; ours stays
			if n > 0 {
				t.Config.MaxBodyBytes = int64(n) << 20
				*t.MaxImageBytes = max(picture.DefaultMaxBytes, t.Config.MaxBodyBytes)
			}
		}),
		setNumber("MODEL_SERVER_TIMEOUT", mostNumber, seconds),
		setNumber("SAGEMAKER_MODEL_SERVER_TIMEOUT", mostNumber, seconds),
		setNumber("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", mostNumber, seconds),
		setNumber("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", mostNumber, func(n int) { t.Config.MaxConcurrentTransforms = n }),
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
