// Package spelling finds the known name that a misspelled one stands for.
package spelling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Suggest names the candidate nearest to text, or nothing when none is near: half its letters
// and one more may differ. Of candidates equally near it is the first.
func Suggest(text string, candidates []string) string {
	best, least := "", 2+utf8.RuneCountInString(text)/2
	for _, c := range candidates {
		if d := edits(strings.ToLower(text), c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits is the Levenshtein distance of texts cut to 64 bytes: its cost is the product of their
// lengths, and a file's cell may be long.
func edits(a, b string) int {
	return levenshtein.ComputeDistance(a[:min(len(a), 64)], b[:min(len(b), 64)])
}

// Nearest is the candidate with the fewest single-letter edits from text; of those equally near the
// first in alphabetical order. There must be one at least.
func Nearest(text string, candidates []string) string {
	return slices.MinFunc(slices.Sorted(slices.Values(candidates)), func(a, b string) int {
		return cmp.Compare(edits(text, a), edits(text, b))
	})
}

// List is the names in a sentence: "a, b or c".
func List(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
