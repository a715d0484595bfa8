package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// table is rows of cells that are printed below each other.
type table struct {
	head  []string // "" for columns that need no name; nil for none
	right string   // a letter a column: r is aligned right, l left
	rows  [][]string
	paint func(column int, cell, text string) string // optional: text is cell with its padding
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// leastCell is how far a cell is shortened at most, in columns.
const leastCell = 8

// lines are the rows, each at most most columns wide (0: however wide they are): the widest columns
// aligned left are shortened until they fit.
func (t *table) lines(most int) []string {
	wide := make([]int, len(t.right))
	all := t.rows
	if t.head != nil {
		all = append([][]string{t.head}, t.rows...)
	}
	for _, row := range all {
		for c, text := range row {
			wide[c] = max(wide[c], cells(text))
		}
	}
	t.fit(wide, most)
	var out []string
	for r, row := range all {
		var b strings.Builder
		for c, text := range row {
			text = shorten(text, wide[c])
			pad := strings.Repeat(" ", wide[c]-cells(text))
			padded := text + pad
			switch {
			case t.right[c] == 'r':
				padded = pad + text
			case c == len(row)-1:
				padded = text
			}
			if t.paint != nil && (r > 0 || t.head == nil) {
				padded = t.paint(c, row[c], padded)
			}
			if c > 0 {
				b.WriteString("  ")
			}
			b.WriteString(padded)
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

// fit narrows the widest of the columns aligned left until the row has most columns.
func (t *table) fit(wide []int, most int) {
	sum := 2 * (len(wide) - 1)
	for _, w := range wide {
		sum += w
	}
	for ; most > 0 && sum > most; sum-- {
		widest := -1
		for c, w := range wide {
			if t.right[c] == 'l' && w > leastCell && (widest < 0 || w > wide[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			return
		}
		wide[widest]--
	}
}

// printTable prints a table of what was asked for.
func (a *app) printTable(t *table, indent string) {
	most := a.tableWidth()
	if most > 0 {
		most -= len(indent)
	}
	for i, line := range t.lines(most) {
		if i == 0 && t.head != nil {
			line = a.paint(faint, line)
		}
		a.say("%s%s", indent, line)
	}
}

// shortened is a path in a note: on a terminal no wider than most columns.
func (a *app) shortened(path string, most int) string {
	if a.errTTY {
		return shorten(path, most)
	}
	return path
}

// named is a label in a sentence: on a terminal no wider than half of it.
func (a *app) named(label string) string {
	if a.tty {
		return shorten(label, a.width()/2)
	}
	return label
}

// shorten cuts the middle of a text that is wider than most columns.
func shorten(text string, most int) string {
	if cells(text) <= most {
		return text
	}
	if most < 3 {
		return strings.Repeat("…", min(most, 1))
	}
	runes := []rune(text)
	head, tail := (most-1)/2, most-1-(most-1)/2
	first, last := 0, len(runes)
	for n := cells(string(runes[0])); first < last && n <= head; first++ {
		if first+1 < len(runes) {
			n += cells(string(runes[first+1]))
		}
	}
	for n := cells(string(runes[last-1])); last > first && n <= tail; last-- {
		if last > 1 {
			n += cells(string(runes[last-2]))
		}
	}
	return string(runes[:first]) + "…" + string(runes[last:])
}

// cells is how many columns of a terminal a text without styles takes: characters of East Asia take
// two, marks that stand on others none.
func cells(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
			n++
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		default:
			n++
			if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
				n++
			}
		}
	}
	return n
}
