package report_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/browsertest"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/train"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/report"
)

// TestReportInABrowser: however the labels are called and many there are, the report fits
// windows of 1280 and 400 pixels, its pictures load, its sections are reached by its links, the
// browser asks for nothing and complains of nothing, and axe-core finds no violation.
func TestReportInABrowser(t *testing.T) {
	ctx, console := browsertest.Open(t)
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("label number %03d", i))
	}
	page := realReport(t)
	index, err := report.Index([]report.Entry{{Page: page, Link: "shapes.html"}, {Page: page, Link: "again.html"}})
	if err != nil {
		t.Fatal(err)
	}
	reports := map[string][]byte{
		"odd": report.MadeUp(t, []string{strings.Repeat("very long ", 30), strings.Repeat("unbroken", 30),
			"\u65e5\u672c\u8a9e",
			"\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "<b>bold</b>", "f", "g", "h"}, 12),
		"many":  report.MadeUp(t, many, 5),
		"two":   report.MadeUp(t, []string{"yes", "no"}, 40),
		"real":  html(t, page),
		"index": index,
	}
	for name, html := range reports {
		for _, width := range []int64{1280, 400} {
			for _, scheme := range []string{"light", "dark"} {
				look(t, ctx, html, name, width, scheme)
			}
		}
	}
	for _, line := range console() {
		t.Errorf("the browser says: %s", line)
	}
}

// look opens a report in a window and asks whether it fits.
func look(t *testing.T, ctx context.Context, html []byte, name string, width int64, scheme string) {
	t.Helper()
	var got struct {
		Wide    int      `json:"wide"`
		Broken  int      `json:"broken"`
		Ground  string   `json:"ground"`
		Dangles []string `json:"dangles"`
	}
	err := chromedp.Run(ctx,
		browsertest.Look(width, 900, scheme),
		chromedp.Navigate(written(t, html)),
		chromedp.Evaluate(`({
			wide: document.documentElement.scrollWidth - window.innerWidth,
			broken: [...document.images].filter(i => i.src && !i.loading && !(i.complete && i.naturalWidth > 0)).length,
			ground: getComputedStyle(document.body).backgroundColor,
			dangles: [...document.querySelectorAll("nav a")].map(a => a.getAttribute("href")).filter(h => !document.querySelector(h)),
		})`, &got),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got.Wide > 0 || got.Broken > 0 || len(got.Dangles) > 0 || (got.Ground == "rgb(255, 255, 255)") != (scheme == "light") {
		t.Errorf("%s, %d pixels, %s: got %+v, want nothing wider than the window, broken or missing", name, width,
			scheme, got)
	}
	if (width == 400) == (scheme == "light") { // axe-core takes seconds for a hundred labels
		browsertest.Axe(t, ctx, fmt.Sprintf("%s, %d pixels, %s", name, width, scheme))
	}
	browsertest.Screenshot(t, ctx, fmt.Sprintf("report-%s-%d-%s", name, width, scheme))
}

// written is the address of a file with the page.
func written(t *testing.T, html []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, html, 0o644); err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.ToSlash(file)
}

// TestReportByHand goes the way of a person: sorts and searches the table, opens a picture, corrects
// two, saves the corrections, and moves the threshold.
func TestReportByHand(t *testing.T) {
	ctx, console := browsertest.Open(t)
	page, downloads := realReport(t), t.TempDir()
	step := func(actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	text := func(expression string) (s string) {
		t.Helper()
		step(chromedp.Evaluate(expression, &s))
		return s
	}
	step(
		browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads),
		chromedp.EmulateViewport(1280, 900),
		chromedp.Navigate(written(t, html(t, page))),
		chromedp.SetValue("#search", "0003", chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector("#search").dispatchEvent(new Event("input"))`, nil),
	)
	if got := text(`document.querySelector("#found").textContent`); got != "3 pictures" {
		t.Errorf("searched for 0003: got %q, want one picture of each of 3 labels", got)
	}
	step(chromedp.Click(`#all thead th:nth-child(1) button`, chromedp.ByQuery))
	first := text(`document.querySelector("#all tbody button").textContent`)
	step(chromedp.Click(`#all thead th:nth-child(1) button`, chromedp.ByQuery))
	last := text(`document.querySelector("#all tbody button").textContent`)
	if !(last < first) || !strings.HasSuffix(first, "0003.jpg") {
		t.Errorf("sorted downwards %q is first, upwards %q", first, last)
	}
	step(
		chromedp.Click(`#all tbody button`, chromedp.ByQuery),
		chromedp.WaitVisible("#large", chromedp.ByQuery),
		chromedp.SetValue("#fix", "drop", chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector("#fix").dispatchEvent(new Event("change"))`, nil),
	)
	browsertest.Axe(t, ctx, "an open picture")
	step(chromedp.Click("#large-close", chromedp.ByQuery), chromedp.WaitNotVisible("#large", chromedp.ByQuery))
	if got := text(`document.querySelector("#corrected").textContent`); got != "1" {
		t.Errorf("got %s corrections, want 1", got)
	}
	step(chromedp.Click("#save-corrections", chromedp.ByQuery), chromedp.Poll(`true`, nil))
	file := filepath.Join(downloads, "corrections.csv")
	want := "path,action,label\n" + last + ",drop,\n"
	if got := appeared(t, ctx, file); got != want {
		t.Errorf("got the corrections %q, want %q", got, want)
	}
	before := text(`document.querySelector("#threshold-facts").textContent`)
	step(chromedp.Evaluate(`document.querySelector("#threshold").value = 0.99,
		document.querySelector("#threshold").dispatchEvent(new Event("input"))`, nil))
	if after := text(`document.querySelector("#threshold-facts").textContent`); after == before {
		t.Errorf("at both thresholds the page says %q", after)
	}
	step(chromedp.Click(`img[role=button]`, chromedp.ByQuery), chromedp.WaitVisible("#large-picture", chromedp.ByQuery))
	for _, line := range console() {
		t.Errorf("the browser says: %s", line)
	}
}

// appeared is the text of a file once the browser has written it.
func appeared(t *testing.T, ctx context.Context, file string) string {
	t.Helper()
	for ctx.Err() == nil {
		if data, err := os.ReadFile(file); err == nil && len(data) > 0 {
			return string(data)
		}
		if err := chromedp.Run(ctx, chromedp.Evaluate(`new Promise(r => setTimeout(r, 50))`, nil)); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s was not written", file)
	return ""
}

// html writes a page.
func html(t *testing.T, page *report.Page) []byte {
	t.Helper()
	data, err := page.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// realReport is that of a poor head, which makes mistakes to show.
func realReport(t *testing.T) *report.Page {
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
	page, err := r.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return page
}
