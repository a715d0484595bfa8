package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/load"
)

func newBenchServe(a *app) *cobra.Command {
	var (
		limits   limitFlags
		cfg      load.Config
		bad      int
		asJSON   bool
		badBytes = [][]byte{[]byte("\xff\xd8\xff\xe0 no picture"), []byte("\x89PNG\r\n\x1a\n cut"), {}}
	)
	cmd := &cobra.Command{
		Use:   "serve URL IMAGE|DIR...",
		Short: "Send pictures to a running server and measure how it answers",
		Long: `serve sends the pictures in turn to a running server, as bytes by POST, and measures how it answers. URL is the address that pictures
go to, such as http://127.0.0.1:8080/invocations. --clients is a closed loop, which shows how much the server can do; --rate is an open
one, which shows how long strangers wait. The bearer token, if the server asks for one, is REHEAD_TOKEN. When no picture is answered,
the exit code is 1.`,
		Args: needArgs(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if bad < 0 || bad > 100 {
				return usagef("--bad: got %d, want 0 to 100 percent", bad)
			}
			paths, problems, err := listPictures(args[1:])
			if err != nil {
				return err
			}
			a.printProblems(problems)
			for _, path := range paths {
				data, err := source.Read(path, limits.limits())
				if err != nil {
					return err
				}
				cfg.Bodies = append(cfg.Bodies, data)
			}
			if bad > 0 {
				cfg.Bad, cfg.BadShare = badBytes, float64(bad)/100
			}
			if token := a.getenv("REHEAD_TOKEN"); token != "" {
				cfg.Header = http.Header{"Authorization": {"Bearer " + token}}
			}
			cfg.URL = args[0]
			if err := load.Try(cmd.Context(), cfg); err != nil {
				return fmt.Errorf("bench serve: %w", err)
			}
			r, stopped := load.Run(cmd.Context(), cfg)
			if r == nil || stopped != nil && r.Requests == 0 {
				return stopped
			}
			if asJSON { // what was measured until somebody stopped it counts too
				err = printJSON(a.stdout, r)
			} else if r.Answered > 0 {
				a.sayLoad(r)
			}
			if err = errors.Join(err, stopped); err == nil && r.Answered == 0 {
				err = fmt.Errorf("bench serve: none of %d requests was answered with a result: %s", r.Requests+r.Dropped,
					cmp.Or(r.Example, "no picture was sent"))
			}
			return err
		},
	}
	limits.add(cmd)
	f := cmd.Flags()
	f.IntVar(&cfg.Clients, "clients", load.DefaultClients, "requests under way at once, in a closed loop")
	f.Float64Var(&cfg.Rate, "rate", 0, "requests a second, in an open loop, instead of --clients")
	f.DurationVar(&cfg.Duration, "duration", load.DefaultDuration, "how long to measure")
	f.DurationVar(&cfg.Warmup, "warmup", time.Second, "how long to send before measuring")
	f.DurationVar(&cfg.Timeout, "timeout", load.DefaultTimeout, "most time for one request")
	f.StringVar(&cfg.ContentType, "content-type", "application/x-image", "type of the bodies")
	f.IntVar(&bad, "bad", 0, "percent of requests that send what is no picture")
	f.Uint64Var(&cfg.Seed, "seed", 0, "seed of the bad requests and of an open loop's times")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// sayLoad says what a load measured, and what the first picture met that was not answered.
func (a *app) sayLoad(r *load.Result) {
	a.say("%.1f images/s; p50 %.1f ms, p95 %.1f, p99 %.1f; %d answered, %d refused, %d failed, %d "+
		"lost, %d wrong in %.1f s",
		r.Speed, r.PerImage.Median, r.PerImage.P95, r.PerImage.P99, r.Answered, r.Refused, r.Failed, r.Lost, r.Wrong,
		r.Seconds)
	if r.Dropped > 0 {
		a.say("%d requests were due and not sent, because too many were under way", r.Dropped)
	}
	if r.Example != "" {
		a.say("the first picture that was not answered: %s", r.Example)
	}
}
