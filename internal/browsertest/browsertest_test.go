package browsertest

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestAxeFinds: a page with faults is told by them, so that no violation means that there is none.
func TestAxeFinds(t *testing.T) {
	path := os.Getenv("REHEAD_AXE")
	if path == "" {
		t.Skip("needs axe-core: npm install axe-core, and REHEAD_AXE with the path of its axe.min.js")
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ := Open(t)
	if err := chromedp.Run(ctx, chromedp.Navigate(`data:text/html,<html><title>x</title><p style="color:%23bbb;`+
		`background:%23fff">pale</p><img src="data:,">`)); err != nil {
		t.Fatal(err)
	}
	found, err := violations(ctx, string(source))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"color-contrast", "image-alt", "html-has-lang"} {
		if !strings.Contains(strings.Join(found, "\n"), want+": 1 of ") {
			t.Errorf("got %q, want %s among them", found, want)
		}
	}
}
