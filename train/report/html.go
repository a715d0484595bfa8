package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/c236555e/rehead/internal/look"
	"github.com/c236555e/rehead/internal/visible"
)

//go:embed template/*.html template/style.css template/script.js
var reportFiles embed.FS

// reportTemplate is only executed, never changed.
var reportTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"pct": percent, "num": number, "auc": func(v *float64) string {
		return fmt.Sprintf("%.4f", *v)
	}, "inc": func(i int) int { return i + 1 }, "sci": func(v float64) string { return fmt.Sprintf("%.3g", v) },
	"jpeg": inline, "hundred": func(share float64) float64 { return 100 * share },
}).ParseFS(reportFiles, "template/*.html"))

// assets are the style sheet and the script, which stand in the page, and what the page's policy
// says of them.
type assets struct {
	Style  template.CSS
	Script template.JS
	Policy string
}

// pageAssets reads the two files; a page may run and be painted by these alone.
func pageAssets() (a assets, err error) {
	style, err := reportFiles.ReadFile("template/style.css")
	if err != nil {
		return a, err
	}
	script, err := reportFiles.ReadFile("template/script.js")
	if err != nil {
		return a, err
	}
	a.Style, a.Script = template.CSS(look.Colours+string(style)), template.JS(script)
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	a.Policy = "default-src 'none'; img-src data: blob:; style-src " + hash(string(a.Style)) + "; script-src " +
		hash(string(a.Script)) + "; base-uri 'none'; form-action 'none'"
	return a, nil
}

// HTML writes the page: one file of at most 3 MB that needs nothing else, and runs no script but its
// own. The same page gives the same bytes.
func (p *Page) HTML() ([]byte, error) {
	return guarded("report", func() ([]byte, error) { return fill("page.html", &p.view) })
}

// fill fills a template.
func fill(name string, view any) ([]byte, error) {
	a, err := pageAssets()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := reportTemplate.ExecuteTemplate(&b, name, struct {
		assets
		P any
	}{a, view}); err != nil {
		return nil, err
	}
	return visible.Text(b.Bytes()), nil
}
