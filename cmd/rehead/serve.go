package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/serve"
)

// serveOptions is the command line of `serve`.
type serveOptions struct {
	engine     engineFlags
	limits     limitFlags
	addr       string
	compat     string
	fetchHosts []string
	cert, key  string
	watch      bool
	logLevel   string
	cfg        serve.Config
}

func newServe(a *app) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [MODEL]",
		Short: "Answer HTTP requests with a model, as SageMaker's containers do",
		Long: `serve answers HTTP requests with a model. Without MODEL it is a SageMaker container: the model is below /opt/ml/model
(SAGEMAKER_BASE_DIR overrides /opt/ml), and the service's environment variables are followed.`,
		Args: needArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := ""
			if len(args) == 1 {
				path = args[0]
			} else if err := a.containerServe(cmd, &o, &path); err != nil {
				return err
			}
			return a.serve(cmd.Context(), path, &o)
		},
	}
	o.engine.add(cmd, a)
	o.engine.addTrunk(cmd)
	o.limits.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", ":8080", "address to listen on")
	f.IntVar(&o.cfg.TopK, "top", serve.DefaultTopK, "labels in an answer where the request does not say (-1: all)")
	f.StringVar(&o.compat, "compat", "", `whose answers to give: "" (rehead's), "builtin" (SageMaker's image classification) or "tfblog"`)
	f.Int64Var(&o.cfg.MaxBodyBytes, "max-body", serve.DefaultMaxBodyBytes, "most bytes of one request")
	f.IntVar(&o.cfg.MaxBatch, "max-batch", serve.DefaultMaxBatch, "most pictures in one forward pass")
	f.IntVar(&o.cfg.MaxQueue, "max-queue", serve.DefaultMaxQueue, "most pictures waiting before requests are answered with 503")
	f.DurationVar(&o.cfg.RequestTimeout, "timeout", serve.DefaultRequestTimeout, "most time for one request")
	f.DurationVar(&o.cfg.ShutdownTimeout, "shutdown-timeout", serve.DefaultShutdownTimeout, "most time for accepted requests to finish after SIGTERM")
	f.BoolVar(&o.cfg.Page, "page", true, "the page for people at /; as a SageMaker container only where this flag is given")
	f.BoolVar(&o.watch, "watch", false, "serve a changed model without a restart")
	f.StringSliceVar(&o.fetchHosts, "fetch-host", nil, `hosts that pictures may be fetched from by URL over https ("*.example.com", or "*" for any public host); none by default`)
	f.StringVar(&o.cert, "tls-cert", "", "PEM file of the certificate: speak TLS")
	f.StringVar(&o.key, "tls-key", "", "PEM file of the certificate's key")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error; access is logged at info")
	return cmd
}

// serve answers requests until ctx ends. It listens first and reads the model afterwards: until then /ping answers 503.
func (a *app) serve(ctx context.Context, path string, o *serveOptions) error {
	start := time.Now()
	cfg, err := a.serveConfig(o)
	if err != nil {
		return err
	}
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

// install opens the model, has the server take it, and says so; with --watch it then follows the model's changes.
func (a *app) install(ctx context.Context, server *serve.Server, path string, o *serveOptions, start time.Time, addr string, log *slog.Logger) error {
	since := serve.Fingerprint(path)
	c, err := o.engine.classifier(path)
	if err != nil {
		return err
	}
	program, classes := c.Trunk().Program(), len(c.Model().Labels)
	if err := server.Install(ctx, c); err != nil {
		return errors.Join(err, c.Close())
	}
	log.Info("ready", "addr", addr, "model", path, "classes", classes, "device", program.Device(), "kernel", program.Kernel(),
		"threads", program.Threads(), "start_ms", time.Since(start).Milliseconds())
	if o.watch {
		return server.Watch(ctx, path, since, time.Second)
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
		cfg.Fetch = &serve.FetchConfig{Hosts: o.fetchHosts}
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
	cfg.Open = func(_ context.Context, path string) (serve.Classifier, error) {
		c, err := o.engine.classifier(path)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return cfg, nil
}

// containerServe follows SageMaker's environment. path is left "" for a multi-model server.
func (a *app) containerServe(cmd *cobra.Command, o *serveOptions, path *string) error {
	l := a.layout()
	o.cfg.Page = o.cfg.Page && cmd.Flags().Changed("page")
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
	err := errors.Join(
		setNumber("SAGEMAKER_BIND_TO_PORT", func(n int) { o.addr = fmt.Sprintf(":%d", n) }),
		setNumber("SAGEMAKER_MAX_PAYLOAD_IN_MB", func(n int) { // 0: the service streams without a bound; ours stays
			if n > 0 {
				o.cfg.MaxBodyBytes = int64(n) << 20
				o.cfg.Limits.MaxBytes = max(dataset.DefaultMaxBytes, o.cfg.MaxBodyBytes)
			}
		}),
		setNumber("MODEL_SERVER_TIMEOUT", seconds),
		setNumber("SAGEMAKER_MODEL_SERVER_TIMEOUT", seconds),
		setNumber("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", func(n int) { o.cfg.MaxConcurrentTransforms = n }),
	)
	if err != nil {
		return err
	}
	o.cfg.DefaultAccept = a.getenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
	o.cfg.Batch = strings.EqualFold(a.getenv("SAGEMAKER_BATCH"), "true")
	o.cfg.BatchStrategy = a.getenv("SAGEMAKER_BATCH_STRATEGY")
	if o.cfg.BatchStrategy == "" && a.getenv("SAGEMAKER_BATCH") == "True" {
		o.cfg.BatchStrategy = "MultiRecord" // the SDK's local mode, which copies what it is told and knows this spelling alone
	}
	if strings.EqualFold(a.getenv("SAGEMAKER_MULTI_MODEL"), "true") {
		o.cfg.MultiModel, o.cfg.ModelRoot, o.cfg.MemoryBudget = true, l.Path("models"), memoryBudget()
		return nil
	}
	if _, err := os.Stat(filepath.Join(l.Model(), "model.json")); err != nil {
		return usagef("serve: name a MODEL; without one, a SageMaker model is looked for in %s, and there is none", l.Model())
	}
	*path = l.Model()
	return nil
}

// memoryBudget is what loaded models may hold together: two thirds of this machine's or control group's memory; 0 where neither is known.
func memoryBudget() int64 {
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if data, err := os.ReadFile(file); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && n < 1<<50 {
				return n / 3 * 2
			}
		}
	}
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil {
				return kb * 1024 / 3 * 2
			}
		}
	}
	return 0
}
