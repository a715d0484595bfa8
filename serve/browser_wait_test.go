package serve

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/browsertest"
	"github.com/c236555e/rehead/nn"
)

// heldExplainer holds its explanations back while it is told to.
type heldExplainer struct {
	*inception.Classifier
	hold chan struct{} // each explanation receives from it
}

func (h heldExplainer) Explain(ctx context.Context, in *inception.Input, top int) (*inception.Explanation, error) {
	select {
	case <-h.hold:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return h.Classifier.Explain(ctx, in, top)
}

// int8Model is realModel with a trunk that computes with bytes.
func int8Model(t *testing.T, size int) *inception.Classifier {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Seed: 5, Classes: 7, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	m.Trunk, err = inception.Calibrate(t.Context(), m.Trunk, nn.Config{}, 1, func(_ int, pixels []float32) error {
		_, err := m.Recipe.Load(gradient(t), picture.Limits{}, pixels)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m.TrunkDigest, m.Ranges = m.Trunk.Digest, m.Trunk.Ranges
	c, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPageWhileItWaits: until a picture is answered, the answer of the one before is shown as the
// past; the card says what the network computes with.
func TestPageWhileItWaits(t *testing.T) {
	ctx, console := browsertest.Open(t)
	held := heldExplainer{int8Model(t, 171), make(chan struct{}, 1)}
	url, file := paged(t, newServer(t, held, Config{Page: true}))
	step := func(actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	const answered = `!document.querySelector("#overlay").disabled`
	held.hold <- struct{}{}
	step(
		chromedp.EmulateViewport(400, 900),
		chromedp.Navigate(url+"/"),
		chromedp.Poll(`document.querySelectorAll("#facts dd").length > 3`, nil),
		chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery),
		chromedp.Poll(answered, nil),
	)
	if got := state(t, ctx); got.Stale || len(got.Labels) != 5 || !strings.Contains(got.Facts, "kernels, int8, ") {
		t.Errorf("answered: got %+v", got)
	}
	step(
		chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery),
		chromedp.Poll(`document.querySelector("#status").textContent.startsWith("Looking")`, nil),
	)
	if got := state(t, ctx); !got.Stale {
		t.Errorf("while it waits: got %+v, want the labels marked as those of before", got)
	}
	browsertest.Screenshot(t, ctx, "waiting-400")
	held.hold <- struct{}{}
	step(chromedp.Poll(answered, nil))
	if got := state(t, ctx); got.Stale {
		t.Errorf("answered again: got %+v", got)
	}
	browsertest.Screenshot(t, ctx, "int8-400")
	for _, line := range console() {
		t.Errorf("the browser says: %s", line)
	}
}

// TestPageDecodesAfterTheAnswer: an answer that comes before the browser has decoded its picture
// waits for it, and lies over no other.
func TestPageDecodesAfterTheAnswer(t *testing.T) {
	ctx, _ := browsertest.Open(t)
	url, file := paged(t, newServer(t, realModel(t, 0.1, 171), Config{Page: true}))
	const slow = `(() => {
		const decode = createImageBitmap, row = () => document.querySelector("#queue b + span").textContent.includes("%");
		window.createImageBitmap = async (...of) => {
			while (!row()) await new Promise(resolve => setTimeout(resolve, 20));
			window.waited = document.querySelector("#overlay").disabled;
			return decode(...of);
		};
	})()`
	var waited bool
	err := chromedp.Run(ctx,
		chromedp.Navigate(url+"/"),
		chromedp.Evaluate(slow, nil),
		chromedp.Poll(`document.querySelectorAll("#facts dd").length > 3`, nil),
		chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery),
		chromedp.Poll(`!document.querySelector("#overlay").disabled`, nil),
		chromedp.Evaluate(`window.waited`, &waited),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := state(t, ctx); !waited || len(got.Labels) == 0 || !strings.Contains(got.Canvas, got.Labels[0]) {
		t.Errorf("waited %v, then %+v, want the map over the picture", waited, got)
	}
}
