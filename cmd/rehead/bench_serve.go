package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/internal/load"
)

// loadOptions is the command line of `bench serve`.
type loadOptions struct {
	limits limitFlags
	cfg    load.Config
	bad    int // percent
	asJSON bool
}

func newBenchServe(a *app) *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "serve URL IMAGE|DIR|ARCHIVE|LIST...",
		Short: "Send pictures to a running server and measure how it answers",
		Long: `Sends the pictures in turn to a running server, as bytes by POST, and measures
how it answers. URL is the address that pictures go to, such as
http://127.0.0.1:8080/invocations. --clients is a closed loop, which shows how
much the server can do; --rate is an open one, which shows how long strangers
wait. The bearer token, if the server asks for one, is REHEAD_TOKEN. When no
picture is answered, the exit code is 1.`,
		Example: `  rehead bench serve http://127.0.0.1:8080/invocations photos --clients 16`,
		Args:    needArgs(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.benchServe(cmd.Context(), args[0], args[1:], &o)
		},
	}
	o.limits.add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.cfg.Clients, "clients", load.DefaultClients, "requests under way at once, in a closed loop")
	f.Float64Var(&o.cfg.Rate, "rate", 0, "requests a second, in an open loop, instead of --clients")
	f.DurationVar(&o.cfg.Duration, "duration", load.DefaultDuration, "how long to measure")
	f.DurationVar(&o.cfg.Warmup, "warmup", time.Second, "how long to send before measuring")
	f.DurationVar(&o.cfg.Timeout, "timeout", load.DefaultTimeout, "maximum time for one request")
	f.StringVar(&o.cfg.ContentType, "content-type", "application/x-image", "type of the bodies")
	f.IntVar(&o.bad, "bad", 0, "percent of requests that send something other than a picture")
	f.Uint64Var(&o.cfg.Seed, "seed", 0, "seed of the bad requests and of an open loop's times")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) benchServe(ctx context.Context, url string, pictures []string, o *loadOptions) error {
	cfg, err := a.loadConfig(ctx, url, pictures, o)
	if err != nil {
		return err
	}
	if err := load.Try(ctx, cfg); err != nil {
		return fmt.Errorf("bench serve: %w", err)
	}
	r, stopped := load.Run(ctx, cfg)
	if r == nil || stopped != nil && r.Requests == 0 {
		return stopped
	}
	if o.asJSON { // what was measured until somebody stopped it counts too
		err = printJSON(a.stdout, r)
	} else if r.Answered > 0 {
		a.sayLoad(r)
	}
	if err = errors.Join(err, stopped); err == nil && r.Answered == 0 {
		err = fmt.Errorf("bench serve: none of %d requests was answered with a result: %s", r.Requests+r.Dropped,
			cmp.Or(r.Example, "no picture was sent"))
	}
	return err
}

// loadConfig reads the pictures that are sent.
func (a *app) loadConfig(ctx context.Context, url string, pictures []string, o *loadOptions) (load.Config, error) {
	cfg := o.cfg
	if o.bad < 0 || o.bad > 100 {
		return cfg, usagef("--bad: got %d, want 0 to 100 percent", o.bad)
	}
	files, problems, err := a.listPictures(ctx, pictures)
	if err != nil {
		return cfg, err
	}
	a.printProblems(problems)
	for _, f := range files {
		data, err := f.Read(o.limits.limits())
		if err != nil {
			return cfg, err
		}
		cfg.Bodies = append(cfg.Bodies, data)
	}
	if o.bad > 0 {
		cfg.Bad = [][]byte{[]byte("\xff\xd8\xff\xe0 no picture"), []byte("\x89PNG\r\n\x1a\n cut"), {}}
		cfg.BadShare = float64(o.bad) / 100
	}
	if token := a.getenv("REHEAD_TOKEN"); token != "" {
		cfg.Header = http.Header{"Authorization": {"Bearer " + token}}
	}
	cfg.URL = url
	return cfg, nil
}

// sayLoad says what a load measured, and what the first picture met that was not answered.
func (a *app) sayLoad(r *load.Result) {
	a.sayWrapped("%.1f images/s; p50 %.1f ms, p95 %.1f, p99 %.1f; %d answered, %d refused, %d failed, %d "+
		"lost, %d wrong in %.1f s",
		r.Speed, r.PerImage.Median, r.PerImage.P95, r.PerImage.P99, r.Answered, r.Refused, r.Failed, r.Lost, r.Wrong,
		r.Seconds)
	if r.Dropped > 0 {
		a.sayWrapped("%d requests were due and not sent, because too many were under way", r.Dropped)
	}
	if r.Example != "" {
		a.sayWrapped("the first picture that was not answered: %s", r.Example)
	}
}
