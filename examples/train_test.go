package examples_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/train"
)

// Train with progress, stop in the middle, and go on from the cache.
func Example_train() {
	photos, err := dataset.Scan("photos", dataset.ScanConfig{}) // a folder a label
	if err != nil {
		log.Fatal(err)
	}
	trunk, err := embedded.Weights()
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cfg := train.Config{EmbedConfig: train.EmbedConfig{CacheDir: "cache", Progress: func(e train.Event) {
		if e.Phase == train.PhaseFit { // every picture is embedded by now
			stop()
		}
	}}}
	_, err = train.Run(ctx, photos, trunk, cfg)
	fmt.Println("stopped:", errors.Is(err, context.Canceled))
	result, err := train.Run(context.Background(), photos, trunk, cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Embedded, "embedded again,", result.Cached, "from the cache, labels", result.Model.Labels)
	// Output:
	// stopped: true
	// 0 embedded again, 23 from the cache, labels [blue-cross green-stripes red-circle]
}
