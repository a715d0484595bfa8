package report_test

import (
	"context"
	"fmt"
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
	"github.com/chromedp/chromedp"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/report"
)

// TestReportInABrowser: however the labels are called and many there are, the report fits
// windows of 1280 and 400 pixels, its pictures load, its sections are reached by its links, and the
// browser asks for nothing and complains of nothing.
func TestReportInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser, which takes seconds: run without -short")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs a browser: install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(60*time.Second),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium refuses to have as root
	}
	allocated, free := chromedp.NewExecAllocator(context.Background(), options...)
	defer free()
	ctx, stop := chromedp.NewContext(allocated)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	var mu sync.Mutex
	var said []string
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			said = append(said, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") {
				said = append(said, "asked for "+u)
			}
		}
	})
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("label number %03d", i))
	}
	reports := map[string][]byte{
		"odd": report.MadeUp(t, []string{strings.Repeat("very long ", 30), strings.Repeat("unbroken", 30),
			"\u65e5\u672c\u8a9e",
			"\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "<b>bold</b>", "f", "g", "h"}, 12),
		"many": report.MadeUp(t, many, 5),
		"real": realReport(t),
	}
	for name, html := range reports {
		file := filepath.Join(t.TempDir(), "report.html")
		if err := os.WriteFile(file, html, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{1280, 400} {
			for _, scheme := range []string{"light", "dark"} {
				var got struct {
					Wide    int      `json:"wide"`
					Broken  int      `json:"broken"`
					Ground  string   `json:"ground"`
					Dangles []string `json:"dangles"`
				}
				err := chromedp.Run(ctx,
					emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme",
						Value: scheme}}),
					chromedp.EmulateViewport(width, 900),
					chromedp.Navigate("file://"+filepath.ToSlash(file)),
					chromedp.Evaluate(`({
						wide: document.documentElement.scrollWidth - window.innerWidth,
						broken: [...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length,
						ground: getComputedStyle(document.body).backgroundColor,
						dangles: [...document.querySelectorAll("nav a")].map(a => a.getAttribute("href")).filter(h => !document.querySelector(h)),
					})`, &got),
				)
				if err != nil {
					t.Fatal(err)
				}
				if got.Wide > 0 || got.Broken > 0 || len(got.Dangles) > 0 ||
					(got.Ground == "rgb(255, 255, 255)") != (scheme == "light") {
					t.Errorf("%s, %d pixels, %s: got %+v, want nothing wider than the window, broken or missing", name, width,
						scheme, got)
				}
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, line := range said {
		t.Errorf("the browser says: %s", line)
	}
}

// realReport is that of a poor head, which makes mistakes to show.
func realReport(t *testing.T) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shapes")
	if err := draw.Folder(dir, 3, 24, 1); err != nil {
		t.Fatal(err)
	}
	folder, err := dataset.Scan(dir, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := inception.Random(inception.RandomConfig{Width: 0.125, Size: 75, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	r, err := train.Run(t.Context(), folder, w, train.Config{Options: head.Options{MaxIterations: 1}})
	if err != nil {
		t.Fatal(err)
	}
	html, err := r.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return html
}
