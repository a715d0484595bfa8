// Command rehead puts a new softmax head on a frozen InceptionV3 and serves it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // certificates where the system has none, as in an image FROM scratch
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, osApp(), os.Args[1:]))
}
