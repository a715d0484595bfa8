package svg

import (
	"encoding/hex"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
)

// style is how an element looks.
type style struct {
	fill, stroke color.RGBA // alpha 0 for none
	opacity      float64    // of the fill
	width        float64    // of the stroke, in units
	dash         []float64  // lengths on and off
	size         float64    // of text, in units
	bold         bool
	anchor       string // "", "middle", "end"
	central      bool   // text is centred on its line
}

// rule is a part of the style sheet.
type rule struct {
	element string // "" for any
	classes []string
	set     [][2]string // properties and values
}

// parseRules reads a style sheet of rules for elements and classes, those for fewer classes first.
func parseRules(text string) ([]rule, error) {
	var out []rule
	total := 0
	for _, block := range strings.SplitAfter(text, "}") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		selectors, body, ok := strings.Cut(strings.TrimSuffix(block, "}"), "{")
		if !ok || !strings.HasSuffix(block, "}") {
			return nil, fmt.Errorf("the style sheet has %q, want SELECTOR { PROPERTY: VALUE; }", strings.TrimSpace(block))
		}
		var set [][2]string
		for _, line := range strings.Split(body, ";") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				set = append(set, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
			}
		}
		for _, s := range strings.Split(selectors, ",") {
			parts := strings.Split(strings.TrimSpace(s), ".")
			out = append(out, rule{parts[0], parts[1:], set})
			if total += len(parts) + len(set); total > maxRules {
				return nil, fmt.Errorf("the style sheet has more than %d names and properties, each selector's counted by itself",
					maxRules)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b rule) int { return len(a.classes) - len(b.classes) })
	return out, nil
}

// take applies attributes and then the rules that match.
func (s *style) take(element string, a attrs, rules []rule) error {
	for _, name := range []string{"fill", "stroke", "fill-opacity", "text-anchor"} {
		if v, ok := a[name]; ok {
			if err := s.set(name, v); err != nil {
				return err
			}
		}
	}
	classes := strings.Fields(a["class"])
	for _, r := range rules {
		if r.element != "" && r.element != element || slices.ContainsFunc(r.classes, func(c string) bool {
			return !slices.Contains(classes, c)
		}) {
			continue
		}
		for _, p := range r.set {
			if err := s.set(p[0], p[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// set applies a property.
func (s *style) set(name, value string) (err error) {
	switch name {
	case "fill":
		s.fill, err = parseColour(value)
	case "stroke":
		s.stroke, err = parseColour(value)
	case "fill-opacity":
		s.opacity, err = measure(value)
	case "stroke-width":
		s.width, err = measure(value)
	case "stroke-dasharray":
		s.dash = nil
		for f := range strings.FieldsSeq(value) {
			v, perr := measure(f)
			if perr != nil || !(v >= 1) || len(s.dash) == maxDashes {
				return fmt.Errorf("%s: got %.80q, want up to %d lengths of 1 or more", name, value, maxDashes)
			}
			s.dash = append(s.dash, v)
		}
	case "font", "font-size": // the font's size comes first, its families are passed over
		size, _, _ := strings.Cut(value, " ")
		s.size, err = measure(strings.TrimSuffix(size, "px"))
	case "font-weight":
		s.bold = value != "400" && value != "normal"
	case "text-anchor":
		s.anchor = value
	case "dominant-baseline":
		s.central = value == "central"
	case "stroke-linejoin": // they are round
	default:
		return fmt.Errorf("got the property %s, which is not known", name)
	}
	if err != nil {
		return fmt.Errorf("%s: got %q: %w", name, value, err)
	}
	return nil
}

// measure reads a number that no coordinate exceeds.
func measure(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err == nil && !(math.Abs(v) <= maxUnits) {
		err = fmt.Errorf("want a number of at most %d", maxUnits)
	}
	return v, err
}

// parseColour reads #rrggbb or none.
func parseColour(value string) (color.RGBA, error) {
	if value == "none" {
		return color.RGBA{}, nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(value, "#"))
	if err != nil || len(b) != 3 || value[0] != '#' {
		return color.RGBA{}, fmt.Errorf("want #rrggbb or none")
	}
	return color.RGBA{b[0], b[1], b[2], 255}, nil
}
