// Package reporttest reads reports and charts as tests want to look at them.
package reporttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	entities "html"
	"image/jpeg"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Sections are the ids that every report has.
var Sections = []string{"accuracy", "attention", "classes", "confusion", "curves", "calibration", "mistakes",
	"examples", "suspects", "map", "learning", "pictures", "left-out", "facts"}

// Document is what a test wants to know of a report.
type Document struct {
	Text     string          // all of it, spaces joined
	IDs      map[string]bool //
	Pictures int             // img elements
	Headings []string        //
	Elements map[string]int
}

// Side is the longer side of a thumbnail, in pixels.
const Side = 160

// Glowing finds the activation maps of a report: the picture, the label, and the path of the
// picture that it is of.
var Glowing = regexp.MustCompile(`<img src="(data:image/jpeg;base64,[^"]+)" width="\d+" height="\d+" ` +
	`alt="What speaks for ([^"]+) in ([^"]+)"/>`)

var space = regexp.MustCompile(`[\s\x{a0}]+`)

// Parse reads a training's report as XML, which is stricter than HTML asks for, and refuses what
// reaches beyond the file.
func Parse(t testing.TB, html []byte) Document {
	t.Helper()
	return ParseSections(t, html, Sections)
}

// ParseSections is Parse for a report that has these sections.
func ParseSections(t testing.TB, html []byte, sections []string) Document {
	t.Helper()
	r := reader{TB: t, d: Document{IDs: map[string]bool{}, Elements: map[string]int{}}}
	html = checkScripts(t, html)
	dec := xml.NewDecoder(bytes.NewReader(html))
	dec.Entity = xml.HTMLEntity
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the report does not parse: %v", err)
		}
		r.token(tok)
	}
	d := r.d
	for _, l := range r.links {
		if !strings.HasPrefix(l, "#") || !d.IDs[l[1:]] {
			t.Errorf("got a link to %s, want one to an id of the file", l)
		}
	}
	d.Text = space.ReplaceAllString(r.text.String(), " ")
	if !bytes.HasPrefix(html, []byte("<!DOCTYPE html>")) {
		t.Error("the report does not begin with its doctype")
	}
	plain := regexp.MustCompile(`base64,[^"]*`).ReplaceAll(html, nil) // whose letters may spell anything
	for _, bad := range []string{"ZgotmplZ", "%!", "NaN", "Inf", "<nil>"} {
		if bytes.Contains(plain, []byte(bad)) {
			t.Errorf("the report has %q in it", bad)
		}
	}
	for _, id := range sections {
		if !d.IDs[id] {
			t.Errorf("there is no section %s", id)
		}
	}
	if len(d.Headings) != 1+len(sections) {
		t.Errorf("got the headings %q, want the title and one for each of %d sections", d.Headings, len(sections))
	}
	return d
}

// reader gathers a document.
type reader struct {
	testing.TB
	d     Document
	text  strings.Builder
	open  []string // elements
	links []string
}

func (r *reader) token(tok xml.Token) {
	switch tok := tok.(type) {
	case xml.StartElement:
		name := tok.Name.Local
		r.open = append(r.open, name)
		r.d.Elements[name]++
		if !slices.Contains(allowed, name) {
			r.Errorf("got an element %s", name)
		}
		for _, a := range tok.Attr {
			r.attribute(name, a)
		}
	case xml.EndElement:
		r.open = r.open[:len(r.open)-1]
	case xml.CharData:
		if slices.Contains(r.open, "style") {
			if regexp.MustCompile(`url\(|@import|//`).Match(tok) {
				r.Error("the style sheet asks for another file")
			}
			return
		}
		r.text.WriteString(string(tok) + " ")
		if n := len(r.open); n > 0 && (r.open[n-1] == "h1" || r.open[n-1] == "h2") {
			r.d.Headings = append(r.d.Headings, string(tok))
		}
	}
}

func (r *reader) attribute(element string, a xml.Attr) {
	switch key := a.Name.Local; {
	case key == "id":
		if r.d.IDs[a.Value] {
			r.Errorf("the id %s is there twice", a.Value)
		}
		r.d.IDs[a.Value] = true
	case key == "href":
		r.links = append(r.links, a.Value)
	case key == "aria-labelledby":
		for _, id := range strings.Fields(a.Value) {
			r.links = append(r.links, "#"+id)
		}
	case key == "src":
		r.d.Pictures++
		checkThumbnail(r.TB, a.Value)
	case strings.HasPrefix(key, "on"), key == "srcset", key == "action":
		r.Errorf("%s has an attribute %s", element, key)
	case key == "style": // which the page's policy forbids
		r.Errorf("%s has the style %q", element, a.Value)
	}
}

// checkScripts takes the scripts out of a report: data for its one script, and that script, which the
// page's policy has to allow by its hash as it does the style sheet.
func checkScripts(t testing.TB, html []byte) []byte {
	t.Helper()
	hash := func(of string) string {
		text := regexp.MustCompile("(?s)<"+of+">(.*?)</"+of+">").FindAllSubmatch(html, -1)
		if len(text) != 1 {
			t.Fatalf("got %d elements %s, want one", len(text), of)
		}
		sum := sha256.Sum256(text[0][1])
		return of + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"
	}
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindSubmatch(html)
	if policy == nil {
		t.Fatal("the report has no policy")
	}
	rules := entities.UnescapeString(string(policy[1]))
	for _, want := range []string{"default-src 'none';", hash("style"), hash("script"), "base-uri 'none';"} {
		if !strings.Contains(rules, want) {
			t.Errorf("got the policy %s, want %s in it", rules, want)
		}
	}
	if strings.Contains(rules, "unsafe") || strings.Contains(rules, "http") || strings.Contains(rules, "*") {
		t.Errorf("got the policy %s, want a strict one", rules)
	}
	for _, data := range dataScript.FindAllSubmatch(html, -1) {
		if !json.Valid(data[1]) {
			t.Errorf("got data that are not JSON: %.80s", data[1])
		}
	}
	html = dataScript.ReplaceAll(html, nil)
	return regexp.MustCompile("(?s)<script>.*?</script>").ReplaceAll(html, nil)
}

var dataScript = regexp.MustCompile(`(?s)<script type="application/json" id="[a-z-]+">(.*?)</script>`)

// allowed are the elements of a report but its scripts: none runs, none loads anything but img, whose
// source is looked at.
var allowed = strings.Fields(`
	html head meta title style body header main footer nav section article h1 h2 h3 h4 p a b i strong small
	br span div ul ol li dl dt dd table caption thead tbody tr th td figure figcaption details summary
	button label select input output dialog img svg desc g rect circle path line text`)

func checkThumbnail(t testing.TB, src string) {
	t.Helper()
	data, ok := strings.CutPrefix(src, "data:image/jpeg;base64,")
	if !ok {
		t.Fatalf("got a picture from %.40s, want a data URL", src)
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.DecodeConfig(bytes.NewReader(raw))
	if err != nil || max(img.Width, img.Height) > Side {
		t.Errorf("got a thumbnail of %d x %d (%v), want at most %d", img.Width, img.Height, err, Side)
	}
}

// Wants asks for phrases in the text.
func Wants(t testing.TB, d Document, phrases ...string) {
	t.Helper()
	for _, p := range phrases {
		if !strings.Contains(d.Text, strings.TrimSpace(space.ReplaceAllString(p, " "))) {
			t.Errorf("the report does not say %q", p)
		}
	}
}

// ReadPlot is the text of a plot, which must be SVG that asks for nothing beyond itself.
func ReadPlot(t testing.TB, name string, svg []byte) string {
	t.Helper()
	for _, bad := range []string{"var(", "url(", "ZgotmplZ", "NaN", "Inf", "%!", "href", "<script"} {
		if bytes.Contains(svg, []byte(bad)) {
			t.Errorf("%s has %q in it", name, bad)
		}
	}
	var text strings.Builder
	dec := xml.NewDecoder(bytes.NewReader(svg))
	for n := 0; ; n++ {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return space.ReplaceAllString(text.String(), " ")
		}
		if err != nil {
			t.Fatalf("%s is not XML: %v", name, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if n == 0 && tok.Name.Local != "svg" || tok.Name.Space != "http://www.w3.org/2000/svg" {
				t.Errorf("%s: element %d is %s of %q, want svg first and SVG alone", name, n, tok.Name.Local, tok.Name.Space)
			}
		case xml.CharData:
			text.Write(tok)
			text.WriteByte(' ')
		}
	}
}

// Percent writes a share of 1 as a report does.
func Percent(share float64) string { return fmt.Sprintf("%.1f\u00a0%%", 100*share) }
