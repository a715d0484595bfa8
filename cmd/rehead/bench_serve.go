package main

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/serve/load"
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
		Args:  needArgs(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, problems, err := listPictures(args[1:])
			if err != nil {
				return err
			}
			a.printProblems(problems)
			for _, path := range paths {
				data, err := dataset.ReadFile(path, limits.limits())
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
			r, err := load.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, r)
			}
			a.say("%.1f images/s; p50 %.1f ms, p95 %.1f, p99 %.1f; %d answered, %d refused, %d failed, %d lost, %d wrong in %.1f s",
				r.Speed, r.PerImage.Median, r.PerImage.P95, r.PerImage.P99, r.Answered, r.Refused, r.Failed, r.Lost, r.Wrong, r.Seconds)
			return nil
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
