// Package plot draws the report's charts as files of their own: Lines, Bars, Matrix and Scatter,
// each to SVG and to PNG from one description. The canvases are gonum.org/v1/plot/vg's; the
// report's colours and its ways to draw an axis are here. The same chart gives the same bytes.
//
// Charts are laid out in CSS pixels, x to the right and y downward, from a white ground's top left
// corner. Text is measured and, in a PNG, set in Liberation Sans, which has the Latin, Greek,
// Cyrillic and Hebrew letters: of other scripts each letter is a box. An SVG names that font and
// those of the same widths, and its viewer finds letters that the font does not have elsewhere.
// Labels that are too long end in an ellipsis.
package plot
