// Package look holds the colours that the report and the served page share, light and dark.
package look

import _ "embed"

// Colours is a style sheet that defines them as custom properties of :root. Text on --ground
// and --panel has at least the contrast that WCAG AA asks for: --ink, --soft, --accent, --green, --red,
// --gold.
//
//go:embed colours.css
var Colours string
