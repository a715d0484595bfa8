// Package svg paints the SVG of rehead's own charts as pixels. It knows what they use and no more:
// svg, g, rect, circle, line, path (M, L, l, h, v, z), text, translate and a quarter turn, and a
// style sheet of element and class selectors; anything else is an error, so that a chart never
// lacks silently what its SVG has.
//
// Text is set in the Go fonts, which have the Latin, Greek and Cyrillic letters; of other scripts
// each letter is a box.
package svg
