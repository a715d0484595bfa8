package main

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/serve"
)

func newServe(a *app) *cobra.Command {
	var (
		engine engineFlags
		limits limitFlags
		addr   string
	)
	cmd := &cobra.Command{
		Use:   "serve MODEL",
		Short: "Answer HTTP requests with a model, as SageMaker's containers do",
		Args:  needArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			start := time.Now()
			classifier, err := engine.classifier(args[0])
			if err != nil {
				return err
			}
			defer classifier.Close()
			log := slog.New(slog.NewJSONHandler(a.stderr, nil))
			server, err := serve.New(classifier, serve.Config{Logger: log, Limits: limits.limits()})
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", addr)
			if err != nil {
				return fmt.Errorf("serve: cannot listen on %s: %w; choose another --addr", addr, err)
			}
			program := classifier.Trunk().Program()
			log.Info("ready", "addr", listener.Addr().String(), "model", args[0], "classes", len(classifier.Model().Labels),
				"device", program.Device(), "kernel", program.Kernel(), "threads", program.Threads(), "start_ms", time.Since(start).Milliseconds())
			return server.Serve(cmd.Context(), listener)
		},
	}
	engine.add(cmd, a)
	engine.addTrunk(cmd)
	limits.add(cmd)
	cmd.Flags().StringVar(&addr, "addr", ":8080", "address to listen on")
	return cmd
}
