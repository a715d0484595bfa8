package tarfile

import (
	"archive/tar"
	"bytes"
	"fmt"
	"testing"
)

// TestIs: headers of every form are told, whatever else a block holds is not.
func TestIs(t *testing.T) {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "model.json", Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	modern := bytes.Clone(b.Bytes()[:Block])
	oldest := bytes.Clone(modern)
	clear(oldest[257:]) // Unix V7 had nothing from there on
	label := bytes.Clone(oldest)
	label[156] = labelled
	for name, head := range map[string][]byte{"ustar": modern, "V7": oldest, "label": label} {
		sum := 8 * int(' ')
		for i, b := range head {
			if i < 148 || i >= 156 {
				sum += int(b)
			}
		}
		copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
		if !Is(head) {
			t.Errorf("%s: got no tar", name)
		}
		head[0]++
		if Is(head) || Is(head[:Block-1]) {
			t.Errorf("%s: got a tar of another header, or of a part of one", name)
		}
	}
	if Is(make([]byte, Block)) || Is(bytes.Repeat([]byte("x"), Block)) {
		t.Error("got a tar of something else")
	}
}
