// Package browsertest opens pages in a headless Chromium, and has axe-core look at them. Tests skip
// where one of the two is missing.
package browsertest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Open starts a browser that can reach nothing but this machine's loopback, and returns what its
// console says, and what it asks for beyond files, data and the loopback.
func Open(t *testing.T) (ctx context.Context, console func() []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser, which takes seconds: run without -short")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("needs a browser: install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(60*time.Second),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium refuses to have as root
	}
	allocated, free := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(free)
	ctx, stop := chromedp.NewContext(allocated)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var said []string
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			said = append(said, e.Entry.Text+" "+e.Entry.URL)
		case *runtime.EventExceptionThrown:
			said = append(said, e.ExceptionDetails.Error())
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !within(u) {
				said = append(said, "asked for "+u)
			}
		}
	})
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return said
	}
}

// within tells addresses that a page may ask for.
func within(url string) bool {
	for _, start := range []string{"http://127.0.0.1:", "data:", "file:", "blob:"} {
		if strings.HasPrefix(url, start) {
			return true
		}
	}
	return false
}

// Look sets the window's width and height, and whether the user wants "light" or "dark".
func Look(width, height int64, scheme string) chromedp.Action {
	return chromedp.Tasks{
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.EmulateViewport(width, height),
	}
}

// Screenshot keeps the whole page, where REHEAD_SCREENSHOTS names a folder to see it in.
func Screenshot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("REHEAD_SCREENSHOTS")
	if dir == "" {
		return
	}
	var data []byte
	err := chromedp.Run(ctx, chromedp.FullScreenshot(&data, 100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), data, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

// Axe has axe-core look at the page that is open, by its rules for WCAG A and AA and its best
// practices, in a test of its own. It needs the file axe.min.js of the npm package axe-core, at the path
// that REHEAD_AXE names.
func Axe(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	t.Run("axe-core, "+name, func(t *testing.T) {
		path := os.Getenv("REHEAD_AXE")
		if path == "" {
			t.Skip("needs axe-core: npm install axe-core, and REHEAD_AXE with the path of its axe.min.js")
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := violations(ctx, string(source))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range found {
			t.Error(v)
		}
	})
}

// violations runs the source of axe-core on the page that is open.
func violations(ctx context.Context, source string) (found []string, err error) {
	var raw string
	err = chromedp.Run(ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		_, thrown, err := runtime.Evaluate(source).Do(ctx) // by the debugger: the page's policy stays
		if err == nil && thrown != nil {
			err = thrown
		}
		return err
	}), chromedp.Evaluate(`axe.run().then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.length +
		" of " + v.nodes[0].html.slice(0, 200) + ": " + v.nodes[0].failureSummary)))`, &raw, awaited))
	if err != nil {
		return nil, err
	}
	return found, json.Unmarshal([]byte(raw), &found)
}

// awaited waits for the promise that a script gives.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
