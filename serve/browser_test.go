package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/browsertest"
)

// shiftScript counts what moves of itself on the page (cumulative layout shift).
const shiftScript = `window.shifted = 0; new PerformanceObserver(list => {
	for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifted += e.value;
}).observe({ type: "layout-shift", buffered: true });`

// pageState is what a person finds on the page.
type pageState struct {
	Labels   []string `json:"labels"`
	Shares   []string `json:"shares"`
	Error    string   `json:"error"`
	Canvas   string   `json:"canvas"`
	Verdict  string   `json:"verdict"` // "" where it is hidden
	Given    []string `json:"given"`   // labels that are marked
	Where    string   `json:"where"`
	Nearest  []string `json:"nearest"`
	Facts    string   `json:"facts"`
	Accuracy string   `json:"accuracy"`
	Wide     bool     `json:"wide"` // wider than the window
	Nameless int      `json:"nameless"`
	Shifted  float64  `json:"shifted"`
	Focus    string   `json:"focus"`
	Stale    bool     `json:"stale"` // what is shown is of the picture before
}

const stateScript = `(() => {
	const text = q => [...document.querySelectorAll(q)].map(e => e.textContent);
	const named = e => e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.closest("label")?.textContent.trim() ||
		(e.id && document.querySelector("label[for=" + e.id + "]")) || e.textContent.trim();
	return {
		labels: text(".row:not(.blank) .name"), shares: text(".row:not(.blank) .share"),
		error: document.querySelector("#error").hidden ? "" : document.querySelector("#error").textContent,
		verdict: document.querySelector("#verdict").hidden ? "" : document.querySelector("#verdict").textContent, given: text(".row.given .name"),
		canvas: document.querySelector("#canvas").getAttribute("aria-label"), where: document.querySelector("#where").textContent,
		nearest: text("#nearest li b"), facts: document.querySelector("#facts").textContent, accuracy: document.querySelector("#accuracy").textContent,
		wide: document.documentElement.scrollWidth > window.innerWidth,
		nameless: [...document.querySelectorAll("input, button, summary, [tabindex], section, canvas:not([aria-hidden])")].filter(e => !named(e)).length,
		stale: document.body.classList.contains("stale"), shifted: window.shifted, focus: document.activeElement.id || document.activeElement.className || document.activeElement.tagName,
	};
})()`

func state(t *testing.T, ctx context.Context) (s pageState) {
	t.Helper()
	var raw json.RawMessage
	if err := chromedp.Run(ctx, chromedp.Evaluate(stateScript, &raw)); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPageInABrowser goes the way of a person: looks at the card, gives a picture, reads the
// ranking, changes the map by keyboard, gives a file that is not a picture, and reads why. Set
// REHEAD_SCREENSHOTS to a folder to see it.
func TestPageInABrowser(t *testing.T) {
	ctx, console := browsertest.Open(t)
	c := realModel(t, 0.1, 171)
	c.Model().Labels = []string{"circle", "<b>square</b>",
		"a label that is so long that no row can hold the whole of it, whatever is done", "star", "ring", "6", "7"}
	c.Model().Metrics = json.RawMessage(`{"images":40,"train_images":32,"test_images":8,"test_accuracy":0.875,"test_accuracy_interval":[0.529,0.978],
		"per_class":[{"label":"circle","train":5,"measured":2,"precision":1,"recall":0.5,"f1":0.6667}]}`)
	keepOne(t, c.Model())
	visitPage(t, ctx, newServer(t, c, Config{Page: true}), c.Model())
	for _, line := range console() {
		if !strings.Contains(line, "415") { // the refusal that is asked for below
			t.Errorf("the browser says: %s", line)
		}
	}
}

// paged serves s's page until the test ends, and writes a picture to give it.
func paged(t *testing.T, s *Server) (url, file string) {
	t.Helper()
	url, stop := start(t, s)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	file = filepath.Join(t.TempDir(), "blob.png")
	if err := os.WriteFile(file, gradient(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return url, file
}

func visitPage(t *testing.T, ctx context.Context, s *Server, m *inception.Model) {
	url, stop := start(t, s)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.png"), filepath.Join(dir, "bad.png")
	if err := os.WriteFile(good, gradient(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int64{{1280, 900}, {400, 800}} {
		for _, scheme := range []string{"light", "dark"} {
			visitor{url, scheme, size, good, bad, m.Labels[0]}.visit(t, ctx)
		}
	}
}

// visitor is a person with a screen and two files.
type visitor struct {
	url, scheme string // light or dark
	size        [2]int64
	good, bad   string // files: a picture, and one that is not
	nearest     string // label of the picture's neighbour
}

func (v visitor) visit(t *testing.T, ctx context.Context) {
	const enabled, failed = `!document.querySelector("#overlay").disabled`, `!document.querySelector("#error").hidden`
	name := fmt.Sprintf("%s-%d", v.scheme, v.size[0])
	step := func(actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	step(
		browsertest.Look(v.size[0], v.size[1], v.scheme),
		chromedp.Navigate(v.url+"/"),
		chromedp.Evaluate(shiftScript, nil),
		chromedp.Poll(`document.querySelectorAll("#facts dd").length > 3`, nil),
	)
	if got := state(t, ctx); len(got.Labels) != 0 || got.Wide || got.Error != "" || got.Nameless != 0 ||
		!strings.Contains(got.Facts, "171 × 171") || !strings.Contains(got.Accuracy, "87.5 %") {
		t.Errorf("%s: at first: %+v", name, got)
	}
	browsertest.Screenshot(t, ctx, name+"-1-empty")
	step(chromedp.SetUploadFiles("#file", []string{v.good}, chromedp.ByQuery), chromedp.Poll(enabled, nil))
	got := state(t, ctx)
	if len(got.Labels) != 5 || got.Wide || got.Error != "" || got.Nameless != 0 || got.Stale ||
		got.Labels[0] == got.Labels[1] ||
		!strings.Contains(got.Canvas, got.Labels[0]) || !strings.Contains(got.Where, got.Labels[0]) {
		t.Errorf("%s: with a picture: %+v", name, got)
	}
	if len(got.Nearest) != 1 || got.Nearest[0] != v.nearest {
		t.Errorf("%s: the nearest are %q", name, got.Nearest)
	}
	browsertest.Screenshot(t, ctx, name+"-2-answer")
	browsertest.Axe(t, ctx, name+" with an answer")
	// By keyboard: from the first label down to the second.
	step(chromedp.Focus(`.row input`, chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowDown))
	if next := state(t, ctx); !strings.Contains(next.Canvas, got.Labels[1]) {
		t.Errorf("%s: after the down key the map is %q, want that of %s", name, next.Canvas, got.Labels[1])
	}
	step(chromedp.SetUploadFiles("#file", []string{v.bad}, chromedp.ByQuery), chromedp.Poll(failed, nil))
	got = state(t, ctx)
	if !strings.HasPrefix(got.Error, "got text, want a JPEG") || got.Stale || len(got.Labels) != 0 || got.Wide {
		t.Errorf("%s: with no picture: %+v", name, got)
	}
	if !(got.Shifted <= 0.1) {
		t.Errorf("%s: the layout shifted by %g, want at most 0.1", name, got.Shifted)
	}
	browsertest.Screenshot(t, ctx, name+"-3-error")
}

// TestPageTellsTheUnknown: a picture that the model takes for none of its labels is said to be one,
// and no other is.
func TestPageTellsTheUnknown(t *testing.T) {
	ctx, console := browsertest.Open(t)
	c := realModel(t, 0.1, 171)
	url, file := paged(t, newServer(t, c, Config{Page: true}))
	for _, width := range []int64{1280, 400} {
		for _, k := range []struct {
			threshold float64
			verdict   string
		}{{1e9, "none of these"}, {-1e9, ""}} {
			c.Model().Unknown = &inception.Unknown{Threshold: k.threshold, FalseReject: 0.05}
			err := chromedp.Run(ctx,
				chromedp.EmulateViewport(width, 900),
				chromedp.Navigate(url+"/"),
				chromedp.Evaluate(shiftScript, nil),
				chromedp.Poll(`document.querySelectorAll("#facts dd").length > 3`, nil),
				chromedp.KeyEvent(kb.Tab), // the first thing that a keyboard reaches is the choice of a picture
				chromedp.Poll(`document.activeElement.id === "file"`, nil, chromedp.WithPollingTimeout(5*time.Second)),
				chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery),
				chromedp.Poll(`!document.querySelector("#overlay").disabled`, nil),
			)
			if err != nil {
				t.Fatal(err)
			}
			got := state(t, ctx)
			if !strings.Contains(got.Verdict, k.verdict) || (got.Verdict == "") != (k.verdict == "") || len(got.Labels) != 5 ||
				got.Wide ||
				!(got.Shifted <= 0.1) || !strings.Contains(got.Facts, "5.0 % of known pictures") {
				t.Errorf("%d pixels, threshold %g: got %+v, want the verdict %q", width, k.threshold, got, k.verdict)
			}
			browsertest.Screenshot(t, ctx, fmt.Sprintf("unknown-%d-%t", width, k.verdict != ""))
		}
	}
	for _, line := range console() {
		t.Errorf("the browser says: %s", line)
	}
}

// TestPageMultiLabel: of a model that gives any number of labels, those that the picture has
// are marked and named.
func TestPageMultiLabel(t *testing.T) {
	ctx, _ := browsertest.Open(t)
	c := realModel(t, 0.1, 171)
	m := c.Model()
	m.Head.Activation = inception.Sigmoid
	x, err := c.Explain(t.Context(), &inception.Input{Data: gradient(t)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	ranked := x.Predictions
	url, file := paged(t, newServer(t, c, Config{Page: true}))
	for _, given := range []int{0, 2} {
		m.Thresholds = slices.Repeat([]float64{1}, len(m.Labels))
		var want []string
		for _, p := range ranked[:given] {
			m.Thresholds[slices.Index(m.Labels, p.Label)] = p.Probability
			want = append(want, p.Label)
		}
		err := chromedp.Run(ctx,
			chromedp.EmulateViewport(400, 900),
			chromedp.Navigate(url+"/"),
			chromedp.Poll(`document.querySelectorAll("#facts dd").length > 3`, nil),
			chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery),
			chromedp.Poll(`!document.querySelector("#overlay").disabled`, nil),
		)
		if err != nil {
			t.Fatal(err)
		}
		got := state(t, ctx)
		verdict := "none of the labels"
		if given > 0 {
			verdict = fmt.Sprintf("%d labels: %s", given, strings.Join(want, ", "))
		}
		if got.Verdict != verdict || !slices.Equal(got.Given, want) || len(got.Labels) != 5 || got.Wide ||
			!strings.Contains(got.Facts, "any number of labels") {
			t.Errorf("got %+v, want the verdict %q and %q marked", got, verdict, want)
		}
		browsertest.Screenshot(t, ctx, fmt.Sprintf("several-400-%d", given))
	}
}

// TestPageAsksForTheToken: the page's files are open, and it takes the token for the rest.
func TestPageAsksForTheToken(t *testing.T) {
	ctx, _ := browsertest.Open(t)
	url, stop := start(t, newServer(t, realModel(t, 0.1, 75), Config{Page: true, Token: "secret"}))
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	var subtitle string
	err := chromedp.Run(ctx,
		chromedp.Navigate(url+"/"),
		chromedp.WaitVisible("#token", chromedp.ByQuery),
		chromedp.SendKeys("#token", "secret\r", chromedp.ByQuery),
		chromedp.WaitNotVisible("#token", chromedp.ByQuery),
		chromedp.Text("#subtitle", &subtitle, chromedp.ByQuery),
	)
	if err != nil || !strings.Contains(subtitle, "7 labels") {
		t.Errorf("got %q, %v", subtitle, err)
	}
}

// gradient is a wide picture with a bright blob.
func gradient(t testing.TB) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 320, 180))
	for y := range 180 {
		for x := range 320 {
			c := color.NRGBA{uint8(x / 2), uint8(y), 90, 255}
			if (x-220)*(x-220)+(y-70)*(y-70) < 1600 {
				c = color.NRGBA{250, 230, 120, 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
