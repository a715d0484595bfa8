package dataset

import (
	"fmt"
	"strings"
)

// didYouMean names the candidate nearest to text, or nothing when none is near.
func didYouMean(text string, candidates []string) string {
	best, least := "", 1+len(text)/2
	for _, c := range candidates {
		if d := edits(strings.ToLower(text), c); d <= least && (best == "" || d < edits(strings.ToLower(text), best)) {
			best = c
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits is the Levenshtein distance, of texts cut to 64 bytes.
func edits(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
