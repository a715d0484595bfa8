package serve

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/c236555e/rehead/dataset"
)

// Defaults of [Config], in the units of its fields.
const (
	DefaultTopK              = 5
	DefaultMaxBodyBytes      = 32 << 20
	DefaultRequestTimeout    = 55 * time.Second
	DefaultReadHeaderTimeout = 5 * time.Second
	DefaultIdleTimeout       = 2 * time.Minute
	DefaultShutdownTimeout   = 25 * time.Second
	DefaultMaxHeaderBytes    = 32 << 10
)

// Config says how a [Server] behaves. The zero value works.
type Config struct {
	// TopK is how many labels an answer ranks when the request does not say.
	// 0 means DefaultTopK; a negative value means every label.
	TopK int

	// Limits bound one picture: its bytes and its pixels. Zero fields take the
	// defaults of package dataset.
	Limits dataset.Limits

	// MaxBodyBytes bounds one request's body, in bytes. 0 means
	// DefaultMaxBodyBytes. A larger body is answered with 413.
	MaxBodyBytes int64

	// RequestTimeout bounds one request from its header to its answer,
	// the reading of its body and its wait in the queue included. 0 means
	// DefaultRequestTimeout, which is below the 60 s that SageMaker waits.
	RequestTimeout time.Duration

	// ReadHeaderTimeout bounds the reading of a request's header; 0 means
	// DefaultReadHeaderTimeout.
	ReadHeaderTimeout time.Duration

	// IdleTimeout is how long a kept-alive connection may wait for its next
	// request; 0 means DefaultIdleTimeout.
	IdleTimeout time.Duration

	// ShutdownTimeout bounds how long Serve waits for the requests that it has
	// accepted once its context has ended. 0 means DefaultShutdownTimeout,
	// which is below the 30 s that SageMaker allows between SIGTERM and SIGKILL.
	ShutdownTimeout time.Duration

	// MaxHeaderBytes bounds a request's header, in bytes; 0 means
	// DefaultMaxHeaderBytes.
	MaxHeaderBytes int

	// Logger takes the access log and what the server has to say of itself.
	// Nil means that nothing is logged. Of a request only its id, route, sizes,
	// times, status and the digest of its body are logged.
	Logger *slog.Logger
}

// Validate returns an error that names the first field that is out of range.
func (c Config) Validate() error {
	durations := []struct {
		name  string
		value time.Duration
	}{
		{"RequestTimeout", c.RequestTimeout},
		{"ReadHeaderTimeout", c.ReadHeaderTimeout},
		{"IdleTimeout", c.IdleTimeout},
		{"ShutdownTimeout", c.ShutdownTimeout},
	}
	for _, d := range durations {
		if d.value < 0 {
			return fmt.Errorf("serve: Config.%s: got %v, want 0 for the default or a positive duration", d.name, d.value)
		}
	}
	sizes := []struct {
		name  string
		value int64
	}{
		{"MaxBodyBytes", c.MaxBodyBytes},
		{"MaxHeaderBytes", int64(c.MaxHeaderBytes)},
		{"Limits.MaxBytes", c.Limits.MaxBytes},
		{"Limits.MaxPixels", c.Limits.MaxPixels},
	}
	for _, s := range sizes {
		if s.value < 0 {
			return fmt.Errorf("serve: Config.%s: got %d, want 0 for the default or a positive number", s.name, s.value)
		}
	}
	return nil
}

// withDefaults returns c with its zero fields replaced.
func (c Config) withDefaults() Config {
	setDefault(&c.TopK, DefaultTopK)
	setDefault(&c.MaxBodyBytes, DefaultMaxBodyBytes)
	setDefault(&c.RequestTimeout, DefaultRequestTimeout)
	setDefault(&c.ReadHeaderTimeout, DefaultReadHeaderTimeout)
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.ShutdownTimeout, DefaultShutdownTimeout)
	setDefault(&c.MaxHeaderBytes, DefaultMaxHeaderBytes)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
