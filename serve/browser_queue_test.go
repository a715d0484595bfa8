package serve

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/browsertest"
)

// TestPageTakesMany: several pictures wait in a queue with its progress, each can be looked at again, a
// file that is no picture stops nobody, and the results are a CSV file.
func TestPageTakesMany(t *testing.T) {
	ctx, console := browsertest.Open(t)
	c := realModel(t, 0.1, 171)
	url, stop := start(t, newServer(t, c, Config{Page: true, ModelName: "shapes"}))
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	dir, downloads := t.TempDir(), t.TempDir()
	var files []string
	for name, data := range map[string][]byte{"a, 1.png": gradient(t), "b.png": colorPNG(t, 60, 44, blue),
		"c.png": []byte("no picture"), "d.png": colorPNG(t, 44, 60, red)} {
		files = append(files, filepath.Join(dir, name))
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	step := func(actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	step(
		browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads),
		browsertest.Look(400, 900, "light"),
		chromedp.Navigate(url+"/"),
		chromedp.Poll(`document.querySelectorAll("#facts dd").length > 3`, nil),
		chromedp.SetUploadFiles("#file", files, chromedp.ByQuery),
		chromedp.Poll(`document.querySelector("#queue-status").textContent.startsWith("4 of 4")`, nil),
	)
	var title, status string
	var rows []string
	step(chromedp.Title(&title), chromedp.Text("#queue-status", &status, chromedp.ByQuery),
		chromedp.Evaluate(`[...document.querySelectorAll("#queue span")].map(e => e.textContent)`, &rows))
	if !strings.HasPrefix(title, "shapes") || status != "4 of 4 pictures, 1 could not be read" || len(rows) != 4 {
		t.Errorf("got the title %q, %q and the rows %q", title, status, rows)
	}
	browsertest.Axe(t, ctx, "a queue")
	browsertest.Screenshot(t, ctx, "queue-400")
	for i, row := range rows {
		if failed := strings.HasPrefix(row, "got text"); failed != strings.HasSuffix(files[i], "c.png") ||
			!failed && !strings.Contains(row, " · ") {
			t.Errorf("%s: got %q", filepath.Base(files[i]), row)
		}
	}
	step(chromedp.Click(`#queue li:last-child button`, chromedp.ByQuery),
		chromedp.Poll(`document.querySelector("#queue li:last-child button").getAttribute("aria-current") === "true"`, nil),
		chromedp.Click("#save", chromedp.ByQuery))
	checkResults(t, ctx, filepath.Join(downloads, "results.csv"), files)
	checkPaste(t, ctx)
	step(chromedp.Click("#clear", chromedp.ByQuery), chromedp.WaitNotVisible("#queue-section", chromedp.ByQuery))
	if got := state(t, ctx); len(got.Labels) != 0 || got.Error != "" || got.Stale {
		t.Errorf("cleared: got %+v", got)
	}
	for _, line := range console() {
		if !strings.Contains(line, "415") { // the refusal that is asked for
			t.Errorf("the browser says: %s", line)
		}
	}
}

// checkPaste pastes two pictures and a text, of which the pictures join the queue, and asks for the way
// to a phone's camera.
func checkPaste(t *testing.T, ctx context.Context) {
	t.Helper()
	var camera string
	err := chromedp.Run(ctx,
		chromedp.Evaluate(`(async () => {
			const canvas = Object.assign(document.createElement("canvas"), { width: 30, height: 20 });
			const picture = await new Promise(done => canvas.toBlob(done));
			const pasted = new DataTransfer();
			for (const name of ["one.png", "two.png"]) pasted.items.add(new File([picture], name, { type: "image/png" }));
			pasted.items.add(new File(["text"], "three.txt", { type: "text/plain" }));
			document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted }));
		})()`, nil),
		chromedp.Poll(`document.querySelector("#queue-status").textContent.startsWith("6 of 6")`, nil),
		chromedp.Evaluate(`document.querySelector("#camera").getAttribute("capture")`, &camera),
	)
	if err != nil || camera != "environment" {
		t.Errorf("pasted: %v; the camera is %q", err, camera)
	}
}

// checkResults reads the file that the page saved.
func checkResults(t *testing.T, ctx context.Context, path string, files []string) {
	t.Helper()
	var data []byte
	for len(data) == 0 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond) // the browser writes it
		data, _ = os.ReadFile(path)
	}
	records, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
	if err != nil || len(records) != 5 || records[0][0] != "file" || records[0][2] != "label_1" {
		t.Fatalf("got %q, %v, want a heading and a row for each picture", data, err)
	}
	for i, r := range records[1:] {
		failed := strings.HasSuffix(files[i], "c.png")
		if r[0] != filepath.Base(files[i]) || (r[len(r)-1] != "") != failed || (r[2] == "") != failed {
			t.Errorf("got the row %q of %s", r, files[i])
		}
	}
}

// strange explains every picture as unlike the training.
type strange struct{ *inception.Classifier }

func (s strange) Explain(ctx context.Context, in *inception.Input, top int) (*inception.Explanation, error) {
	x, err := s.Classifier.Explain(ctx, in, top)
	if err == nil {
		x.Unlike = true
	}
	return x, err
}

// TestPageCautions: a picture unlike the training pictures is said to be one.
func TestPageCautions(t *testing.T) {
	ctx, _ := browsertest.Open(t)
	for _, unlike := range []bool{true, false} {
		var c Classifier = realModel(t, 0.1, 171)
		if unlike {
			c = strange{c.(*inception.Classifier)}
		}
		url, stop := start(t, newServer(t, c, Config{Page: true}))
		file := filepath.Join(t.TempDir(), "blob.png")
		if err := os.WriteFile(file, gradient(t), 0o600); err != nil {
			t.Fatal(err)
		}
		var text string
		err := chromedp.Run(ctx,
			chromedp.Navigate(url+"/"),
			chromedp.Poll(`document.querySelectorAll("#facts dd").length > 3`, nil),
			chromedp.SetUploadFiles("#file", []string{file}, chromedp.ByQuery),
			chromedp.Poll(`!document.querySelector("#overlay").disabled`, nil),
			chromedp.Evaluate(`document.querySelector("#caution").hidden ? "" : document.querySelector("#caution").textContent`, &text),
		)
		if err != nil || (text != "") != unlike || unlike && !strings.HasPrefix(text, "Caution") {
			t.Errorf("unlike %t: got %q, %v", unlike, text, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
