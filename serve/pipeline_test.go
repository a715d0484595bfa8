package serve

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
)

// Large pictures are decoded one after the other when they would not fit together, and one that is
// larger than all the room alone.
func TestDecodingIsBounded(t *testing.T) {
	body := colorPNG(t, 100, 100, red)
	p := newPipeline(Config{decoders: 4, passes: 1, MaxDecodeBytes: 100 * 100 * bytesPerPixel * 3 / 2}.withDefaults(),
		newMetrics(&Server{}))
	release, err := p.room(t.Context(), &inception.Input{Data: body})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.room(ctx, &inception.Input{Data: body}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second picture: got %v, want it to wait", err)
	}
	release()
	if release, err = p.room(t.Context(), &inception.Input{Data: colorPNG(t, 400, 300, red)}); err != nil {
		t.Fatalf("a picture larger than the room, alone: %v", err)
	}
	release()
	if _, err := p.room(t.Context(), &inception.Input{Data: []byte("no picture")}); !errors.Is(err,
		picture.ErrUnsupported) {
		t.Errorf("no picture: got %v, want ErrUnsupported", err)
	}
}
