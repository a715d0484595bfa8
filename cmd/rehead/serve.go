package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/cmd/rehead/internal/memory"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/endpoint"
	"github.com/c236555e/rehead/serve"
)

// serveOptions is the command line of `serve`.
type serveOptions struct {
	engine     engineFlags
	limits     limitFlags
	addr       string
	compat     string
	fetchHosts []string
	fetchWith  []string // schemes
	cert, key  string
	watch      bool
	every      time.Duration // how often it looks; 0 means lookHere or lookThere
	follow     *follower
	logLevel   string
	warnings   []string // of the environment
	cfg        serve.Config
}

func newServe(a *app) *cobra.Command { return serveCommand(a, &serveOptions{}) }

// serveCommand is `serve` with its options in o.
func serveCommand(a *app, o *serveOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [MODEL]",
		Short: "Answer HTTP requests with a model, as SageMaker's containers do",
		Long: `Answers HTTP requests with a model; docs/http.md has the routes. A page for
people is at / (--page=false for none). The bearer token that clients need, if
any, is REHEAD_TOKEN.

Without MODEL it is a SageMaker container: the model is below /opt/ml/model
(SAGEMAKER_BASE_DIR overrides /opt/ml), the service's environment variables are
followed, and each flag can be given as a variable: --top 3 is
REHEAD_SERVE_TOP=3. See docs/sagemaker.md.`,
		Example: `  rehead serve model --addr :8080
  curl --data-binary @daisy.jpg -H 'Content-Type: image/jpeg' \
      localhost:8080/invocations`,
		Args: needArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := "", error(nil)
			if len(args) == 1 {
				path = args[0]
			} else if path, err = a.containerServe(cmd.Flags(), o); err != nil {
				return err
			}
			o.bound(cmd.Flags().Changed("max-pixels"))
			return a.serve(cmd.Context(), path, o)
		},
	}
	o.engine.add(cmd, a)
	o.engine.addTrunk(cmd)
	o.engine.addViews(cmd)
	o.engine.addPrecision(cmd, modelPrecision)
	o.limits.add(cmd)
	o.add(cmd)
	first(cmd, "addr top page watch tls-cert tls-key max-body timeout log-level")
	return cmd
}

// add adds the flags that serve alone has.
func (o *serveOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", ":8080", "address to listen on")
	f.IntVar(&o.cfg.TopK, "top", serve.DefaultTopK, "labels per answer where the request does not say (-1: all)")
	f.StringVar(&o.compat, "compat", "",
		`format of the answers: "" (rehead's), "builtin" (SageMaker's image classification) or "tfblog"`)
	f.Int64Var(&o.cfg.MaxBodyBytes, "max-body", serve.DefaultMaxBodyBytes, "maximum bytes of one request")
	f.Int64Var(&o.cfg.MaxHeldBytes, "max-held", 0,
		"maximum bytes of all requests together (0: an eighth of the memory, at most 512 MB)")
	f.Int64Var(&o.cfg.MaxAnswerBytes, "max-answer", 0,
		"maximum bytes that one answer may take (0: a quarter of --max-held)")
	f.Int64Var(&o.cfg.MaxDecodeBytes, "max-decode", 0,
		"maximum bytes of all pictures being decoded (0: a quarter of the memory, at most 1 GB)")
	f.IntVar(&o.cfg.MaxRecords, "max-records", serve.DefaultMaxRecords, "maximum pictures in one request")
	f.IntVar(&o.cfg.MaxBatch, "max-batch", serve.DefaultMaxBatch, "maximum pictures in one forward pass")
	f.IntVar(&o.cfg.MaxQueue, "max-queue", serve.DefaultMaxQueue,
		"maximum pictures waiting before requests are answered with 503")
	f.IntVar(&o.cfg.MaxConnections, "max-connections", serve.DefaultMaxConnections,
		"maximum open connections; further ones wait to be accepted")
	f.IntVar(&o.cfg.MaxHeaderBytes, "max-header", serve.DefaultMaxHeaderBytes, "maximum bytes of a request's header")
	f.DurationVar(&o.cfg.ReadHeaderTimeout, "header-timeout", serve.DefaultReadHeaderTimeout,
		"maximum time for a request's header")
	f.DurationVar(&o.cfg.IdleTimeout, "idle-timeout", serve.DefaultIdleTimeout,
		"how long a connection waits for its next request")
	f.DurationVar(&o.cfg.RequestTimeout, "timeout", serve.DefaultRequestTimeout, "maximum time for one request")
	f.DurationVar(&o.cfg.DrainDelay, "drain-delay", time.Second,
		"how long connections are still served, and asked to close, after SIGTERM")
	f.DurationVar(&o.cfg.ShutdownTimeout, "shutdown-timeout", serve.DefaultShutdownTimeout,
		"maximum time for accepted requests to finish after SIGTERM")
	f.BoolVar(&o.cfg.Page, "page", true,
		"the page for people at /; as a SageMaker container only where this flag is given")
	f.StringVar(&o.cfg.ModelName, "model-name", "model",
		"what the model is called in the routes under /v1/models and /v2/models, and on the page")
	f.BoolVar(&o.watch, "watch", false, "serve a changed model without a restart")
	f.StringSliceVar(&o.fetchHosts, "fetch-host", nil,
		`hosts that pictures may be fetched from by URL ("*.example.com", or "*" for any public host); none by default`)
	f.StringSliceVar(&o.fetchWith, "fetch-scheme", []string{"https"}, "schemes of these URLs: https, http or both")
	f.StringVar(&o.cert, "tls-cert", "", "PEM file of the certificate: speak TLS")
	f.StringVar(&o.key, "tls-key", "", "PEM file of the certificate's key")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error; access is logged at info")
}

// containerServe sets o as a SageMaker container's environment says, and returns where the model
// is: "" for a multi-model server.
func (a *app) containerServe(flags *pflag.FlagSet, o *serveOptions) (path string, err error) {
	available, _ := memory.System()
	env := endpoint.Environment{Tree: a.tree(), Getenv: a.getenv, All: a.environ,
		Memory: memory.Share(available, 0).Models}
	path, o.warnings, err = env.Apply(endpoint.Target{Flags: flags, Config: &o.cfg, Addr: &o.addr,
		LogLevel: &o.logLevel, MaxImageBytes: &o.limits.maxBytes})
	if errors.Is(err, endpoint.ErrNoModel) {
		err = &usageError{err}
	}
	return path, err
}

// bound fills what the command line leaves open with shares of the memory. A picture that would not
// fit is refused by its header, unless --max-pixels asks for it.
func (o *serveOptions) bound(pixelsChosen bool) {
	available, _ := memory.System()
	share := memory.Share(available, o.limits.maxPixels)
	if o.cfg.MaxHeldBytes == 0 && share.Held > 0 {
		o.cfg.MaxHeldBytes = max(share.Held, 2*o.cfg.MaxBodyBytes)
	}
	if o.cfg.MaxDecodeBytes == 0 {
		o.cfg.MaxDecodeBytes = share.Decode
	}
	if !pixelsChosen {
		o.limits.maxPixels = share.Pixels
	}
}

// serve answers requests until ctx ends. It listens first and reads the model afterwards: until
// then /ping answers 503.
func (a *app) serve(ctx context.Context, path string, o *serveOptions) error {
	start := time.Now()
	cfg, err := a.serveConfig(o)
	if err != nil {
		return err
	}
	for _, warning := range o.warnings {
		cfg.Logger.Warn(warning)
	}
	o.engine.note = func(format string, args ...any) { cfg.Logger.Warn(fmt.Sprintf(format, args...)) }
	serve.Quiet()
	server, err := serve.New(nil, cfg)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("serve: cannot listen on %s: %w; choose another --addr", o.addr, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if path != "" {
		go func() {
			if err := a.install(ctx, server, path, o, start, listener.Addr().String(), cfg.Logger); err != nil {
				cancel(err)
			}
		}()
	} else {
		cfg.Logger.Info("ready", "addr", listener.Addr().String(), "models", "loaded on request")
	}
	err = server.Serve(ctx, listener)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause // the model could not be served
	}
	return errors.Join(err, server.Close())
}

// install opens the model, has the server take it, and says so; with --watch it then follows the
// model's changes.
func (a *app) install(ctx context.Context, server *serve.Server, path string, o *serveOptions, start time.Time,
	addr string, log *slog.Logger) error {
	since := ""
	if o.watch {
		since = o.follow.begin(path)
	}
	c, err := o.engine.classifier(path)
	if err != nil {
		return err
	}
	program, classes := c.Trunk().Program(), len(c.Model().Labels)
	if err := server.Install(ctx, c); err != nil {
		return errors.Join(err, c.Close())
	}
	log.Info("ready", "addr", addr, "model", path, "classes", classes, "device", program.Device(), "kernel",
		program.Kernel(), "precision", program.Precision(),
		"threads", program.Threads(), "start_ms", time.Since(start).Milliseconds())
	if o.watch {
		every := lookHere
		if inBucket(path) {
			every = lookThere
		}
		return server.Watch(ctx, path, since, cmp.Or(o.every, every))
	}
	return nil
}

// serveConfig turns flags into the server's configuration.
func (a *app) serveConfig(o *serveOptions) (serve.Config, error) {
	cfg := o.cfg
	cfg.Compat = serve.Compat(o.compat)
	cfg.Limits = o.limits.limits()
	cfg.Token = a.getenv("REHEAD_TOKEN")
	cfg.Version = toolVersion()
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return cfg, usagef("--log-level: got %q, want debug, info, warn or error", o.logLevel)
	}
	cfg.Logger = slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	if len(o.fetchHosts) > 0 {
		cfg.Fetch = &serve.FetchConfig{Hosts: o.fetchHosts, Schemes: o.fetchWith}
	}
	if (o.cert == "") != (o.key == "") {
		return cfg, usagef("--tls-cert and --tls-key go together")
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return cfg, fmt.Errorf("serve: certificate %s with key %s: %w", o.cert, o.key, err)
		}
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	o.follow = &follower{app: a, log: cfg.Logger}
	cfg.Fingerprint = o.follow.fingerprint
	cfg.Open = func(_ context.Context, path string) (serve.Classifier, error) {
		c, err := o.engine.classifier(path)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return cfg, nil
}
