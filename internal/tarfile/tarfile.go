// Package tarfile tells tar archives from other files.
package tarfile

import (
	"archive/tar"
	"strconv"
	"strings"
)

// Block is the unit of a tar, in bytes, and as much as Is looks at.
const Block = 512

// Is tells a tar by its first header, whose bytes add up to the number that is in it: the oldest
// form, Unix V7's, has no other mark, and a volume label, which some archives begin with, is a
// header like any.
func Is(head []byte) bool {
	if len(head) < Block {
		return false
	}
	want, err := strconv.ParseInt(strings.Trim(string(head[148:156]), " \x00"), 8, 64)
	if err != nil {
		return false
	}
	sum := int64(0)
	for i, b := range head[:Block] {
		if 148 <= i && i < 156 {
			b = ' '
		}
		sum += int64(b)
	}
	return sum == want
}

// labelled is the type of a volume's label, which GNU tar writes for --label.
const labelled = 'V'

// NoFile tells headers that stand for no file: of all files that follow, and the label of a volume.
func NoFile(h *tar.Header) bool { return h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == labelled }
