// Command rehead puts a new softmax head on a frozen InceptionV3 and serves it.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // certificates where the system has none, as in an image FROM scratch

	"github.com/c236555e/rehead/cmd/rehead/internal/memory"
)

func main() {
	memory.Collect()
	if limit, group := memory.System(); group && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit / 10 * 9) // collect harder before the container's limit ends the process
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, osApp(), os.Args[1:]))
}
