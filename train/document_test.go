package train

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"image/jpeg"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sections are the ids that every report has.
var sections = []string{"accuracy", "learning", "calibration", "confusion", "classes", "mistakes", "map", "suspects",
	"duplicates", "left-out", "facts"}

// document is what a test wants to know of a report.
type document struct {
	text     string          // all of it, spaces joined
	ids      map[string]bool //
	pictures int             // img elements
	headings []string        //
	elements map[string]int
}

var space = regexp.MustCompile(`[\s\x{a0}]+`)

// parse reads a training's report as XML, which is stricter than HTML asks for, and refuses
// whatever reaches beyond the file.
func parse(t *testing.T, html []byte) document {
	t.Helper()
	return parseSections(t, html, sections)
}

// parseSections is parse for a report that has these sections.
func parseSections(t *testing.T, html []byte, sections []string) document {
	t.Helper()
	d := document{ids: map[string]bool{}, elements: map[string]int{}}
	dec := xml.NewDecoder(bytes.NewReader(html))
	dec.Entity = xml.HTMLEntity
	var text strings.Builder
	var open, links []string
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the report does not parse: %v", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name := tok.Name.Local
			open = append(open, name)
			d.elements[name]++
			if !slices.Contains(allowed, name) {
				t.Errorf("got an element %s", name)
			}
			for _, a := range tok.Attr {
				switch key := a.Name.Local; {
				case key == "id":
					if d.ids[a.Value] {
						t.Errorf("the id %s is there twice", a.Value)
					}
					d.ids[a.Value] = true
				case key == "href":
					links = append(links, a.Value)
				case key == "aria-labelledby":
					for _, id := range strings.Fields(a.Value) {
						links = append(links, "#"+id)
					}
				case key == "src":
					d.pictures++
					checkThumbnail(t, a.Value)
				case strings.HasPrefix(key, "on"), key == "srcset", key == "action":
					t.Errorf("%s has an attribute %s", name, key)
				case key == "style" && !regexp.MustCompile(`^(--a|width):[\d.]+%$`).MatchString(a.Value):
					t.Errorf("%s has the style %q", name, a.Value)
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if slices.Contains(open, "style") {
				if regexp.MustCompile(`url\(|@import|//`).Match(tok) {
					t.Error("the style sheet asks for another file")
				}
				continue
			}
			text.WriteString(string(tok) + " ")
			if n := len(open); n > 0 && (open[n-1] == "h1" || open[n-1] == "h2") {
				d.headings = append(d.headings, string(tok))
			}
		}
	}
	for _, l := range links {
		if !strings.HasPrefix(l, "#") || !d.ids[l[1:]] {
			t.Errorf("got a link to %s, want one to an id of the file", l)
		}
	}
	d.text = space.ReplaceAllString(text.String(), " ")
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
		if !d.ids[id] {
			t.Errorf("there is no section %s", id)
		}
	}
	if len(d.headings) != 1+len(sections) {
		t.Errorf("got the headings %q, want the title and one for each of %d sections", d.headings, len(sections))
	}
	return d
}

// allowed are the elements of a report: none runs, none loads anything but img, whose source is
// looked at.
var allowed = strings.Fields(`html head meta title style body header main footer nav section article h1 h2 h3 p a b i strong small br span div ul ol li
	dl dt dd table caption thead tbody tr th td figure figcaption details summary img svg desc g rect circle path line text`)

func checkThumbnail(t *testing.T, src string) {
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
	if err != nil || max(img.Width, img.Height) > reportSide {
		t.Errorf("got a thumbnail of %d x %d (%v), want at most %d", img.Width, img.Height, err, reportSide)
	}
}

func wants(t *testing.T, d document, phrases ...string) {
	t.Helper()
	for _, p := range phrases {
		if !strings.Contains(d.text, strings.TrimSpace(space.ReplaceAllString(p, " "))) {
			t.Errorf("the report does not say %q", p)
		}
	}
}
