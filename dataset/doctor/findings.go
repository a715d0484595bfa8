package doctor

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/c236555e/rehead/internal/plural"
)

const shown = 20 // pictures that a Finding names

// report rewrites Findings from all that is known.
func (c *Checkup) report() {
	c.Findings = []Finding{}
	c.reportLabels()
	c.reportFiles()
	c.reportPictures()
	c.reportDuplicates()
	if n := len(c.Disagreements); n > 0 {
		var images []string
		for _, d := range c.Disagreements {
			images = append(images, d.Image)
		}
		c.add(Warning, CodeDisagree, n, images,
			fmt.Sprintf("%s whose nearest neighbours have another label: look at them first", plural.Count(n, "picture")))
	}
	c.Trainable = !slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Severity == Fatal })
}

func (c *Checkup) add(severity Severity, code string, n int, images []string, message string) {
	c.Findings = append(c.Findings,
		Finding{Severity: severity, Code: code, Count: n, Images: images[:min(len(images), shown):len(images)],
			Message: message})
}

func (c *Checkup) addLabel(severity Severity, code, label string, n int, message string) {
	c.Findings = append(c.Findings, Finding{Severity: severity, Code: code, Count: n, Label: label, Message: message})
}

func (c *Checkup) reportLabels() {
	usable, least, most := 0, LabelCount{}, LabelCount{}
	for _, l := range c.Labels {
		switch {
		case l.Readable == 0:
			c.addLabel(Fatal, CodeEmptyLabel, l.Label, l.Images,
				fmt.Sprintf("label %q has no picture that can be read (%d cannot): repair them or remove the label", l.Label,
					l.Images))
			continue
		case l.Readable < c.cfg.MinImages:
			c.addLabel(Warning, CodeTinyLabel, l.Label, l.Readable,
				fmt.Sprintf("label %q has only %s: expect little of it below %d", l.Label,
					plural.Count(l.Readable, "readable picture"),
					c.cfg.MinImages))
		}
		if usable++; usable == 1 {
			least, most = l, l
		}
		if l.Readable < least.Readable {
			least = l
		}
		if l.Readable > most.Readable {
			most = l
		}
	}
	if usable < 2 {
		c.add(Fatal, CodeFewLabels, usable, nil,
			fmt.Sprintf("%s with readable pictures, want at least 2: give each label a folder of its own with pictures in it",
				plural.Count(usable, "label")))
	} else if float64(most.Readable) > c.cfg.MaxImbalance*float64(least.Readable) {
		c.addLabel(Warning, CodeImbalance, least.Label, least.Readable,
			fmt.Sprintf("label %q has %d pictures, %q has %d: add pictures of the former or use class weights", least.Label,
				least.Readable, most.Label, most.Readable))
	}
	for _, names := range similarLabels(c.folder.Labels) {
		c.add(Warning, CodeSimilar, len(names), nil,
			fmt.Sprintf("the labels %s differ in case, spaces or punctuation alone: merge them if they mean one thing",
				quoteAll(names)))
	}
}

// similarLabels finds labels that come to one when case, spaces and what is neither letter nor
// digit are left out. Names that consist of the same letters but different signs, as C++ and C#,
// stay apart.
func similarLabels(labels []string) [][]string {
	folder := cases.Fold()
	by := map[string][]string{}
	var keys []string
	for _, l := range labels {
		key := strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '_' || r == '.' || r == ',' || r == '\'' || r == '’' {
				return -1
			}
			return r
		}, folder.String(norm.NFKC.String(l)))
		if by[key] == nil {
			keys = append(keys, key)
		}
		by[key] = append(by[key], l)
	}
	var out [][]string
	for _, k := range keys {
		if len(by[k]) > 1 {
			out = append(out, by[k])
		}
	}
	return out
}

func (c *Checkup) reportFiles() {
	if n := len(c.folder.Problems); n > 0 {
		var paths []string
		for _, p := range c.folder.Problems {
			paths = append(paths, p.Path)
		}
		c.add(Warning, CodeLeftOut, n, paths,
			fmt.Sprintf("%s left out: see problems", plural.Count(n, "file or folder is", "files and folders are")))
	}
	bad := c.collect(func(p *checked) bool { return p.err != nil }, true)
	if len(bad) == 0 {
		return
	}
	c.add(Warning, CodeUnreadable, len(bad), bad,
		fmt.Sprintf("%s cannot be read and will be set aside: see problems", plural.Count(len(bad), "picture")))
	if most := max(10, c.Images/10); len(bad) > most {
		c.add(Warning, CodeManyBad, len(bad), nil,
			fmt.Sprintf("%d of %d pictures cannot be read; training gives up at more than %d unless it is allowed more",
				len(bad), c.Images, most))
	}
}

// collect lists the pictures of which is holds.
func (c *Checkup) collect(is func(p *checked) bool, unreadable bool) []string {
	var out []string
	for i := range c.pictures {
		if p := &c.pictures[i]; (p.err != nil) == unreadable && is(p) {
			out = append(out, c.folder.Items[i].Rel)
		}
	}
	return out
}

func (c *Checkup) reportPictures() {
	if small := c.collect(func(p *checked) bool {
		return int(min(p.width, p.height)) < c.cfg.MinSide
	}, false); len(small) > 0 {
		c.add(Warning, CodeSmall, len(small), small,
			fmt.Sprintf("%s with a side below %d pixels: little is left to see once enlarged",
				plural.Count(len(small), "picture"),
				c.cfg.MinSide))
	}
	if long := c.collect(func(p *checked) bool { return p.aspect() > c.cfg.MaxAspect }, false); len(long) > 0 {
		c.add(Warning, CodeAspect, len(long), long,
			fmt.Sprintf("%s more than %g times as long as short: resizing distorts them, or cutting loses most of them",
				plural.Count(len(long), "picture is", "pictures are"), c.cfg.MaxAspect))
	}
	c.reportNarrow()
	var flat []string
	for i := range c.prints {
		if c.pictures[i].err == nil && c.prints[i].detail < featureless {
			flat = append(flat, c.folder.Items[i].Rel)
		}
	}
	if len(flat) > 0 {
		c.add(Warning, CodeFeatureless, len(flat), flat,
			fmt.Sprintf("%s of nearly one shade: probably blank, or masks", plural.Count(len(flat), "picture")))
	}
}

// reportNarrow names pictures of 16 bits that hardly use them, which makes them nearly black.
func (c *Checkup) reportNarrow() {
	const named = 3
	var most []string
	narrow := c.collect(func(p *checked) bool {
		is := 0 < p.largest && p.largest < 1<<15
		if is && len(most) < named {
			most = append(most, fmt.Sprint(p.largest))
		}
		return is
	}, false)
	if len(narrow) > 0 {
		c.add(Warning, CodeNarrow, len(narrow), narrow,
			fmt.Sprintf("%s of 16 bits with largest values of %s of 65535, nearly black: train with --stretch",
				plural.Count(len(narrow), "picture"), strings.Join(most, ", ")))
	}
}

func (c *Checkup) reportDuplicates() {
	leaks, leaking := 0, []string(nil)
	for _, kind := range []struct {
		groups       []Duplicates
		what         string
		code, across string
	}{
		{c.Duplicates, "equal pictures", CodeSame, CodeSameAcross},
		{c.NearDuplicates, "nearly equal pictures", CodeNear, CodeNearAcross},
	} {
		var within, across []string
		groups, crossing := 0, 0
		for _, t := range kind.groups {
			if len(t.Labels) > 1 {
				crossing++
				across = append(across, t.Images...)
			} else {
				groups++
				within = append(within, t.Images...)
			}
			if c.leaks(t.items) {
				leaks++
				leaking = append(leaking, t.Images...)
			}
		}
		if groups > 0 {
			c.add(Note, kind.code, groups, within,
				fmt.Sprintf("%s of %s within a label (%d pictures): training keeps a group in one part",
					plural.Count(groups, "group"),
					kind.what, len(within)))
		}
		if crossing > 0 {
			under, advice := "under several labels", "keep one label each"
			if c.folder.MultiLabel {
				under, advice = "with different labels", "give each all of its labels"
			}
			c.add(Warning, kind.across, crossing, across,
				fmt.Sprintf("%s of %s %s (%d pictures): no head can tell them apart; %s",
					plural.Count(crossing, "group"), kind.what,
					under, len(across), advice))
		}
	}
	if leaks > 0 {
		c.add(Warning, CodeLeak, leaks, leaking,
			fmt.Sprintf("%s of equal or nearly equal pictures lie in several of the given parts: the measured accuracy "+
				"is too good to be true", plural.Count(leaks, "group")))
	}
}

// leaks tells whether items lie in different parts that were given, not chosen.
func (c *Checkup) leaks(items []int) bool {
	first := c.folder.Items[items[0]]
	for _, i := range items[1:] {
		it := c.folder.Items[i]
		if it.Split != first.Split && (it.Fixed || first.Fixed) {
			return true
		}
	}
	return false
}

func quoteAll(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}
