package plural

import "testing"

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 pictures": Count(0, "picture"), "1 picture": Count(1, "picture"), "12 pictures": Count(12, "picture"),
		"1 file is": Count(1, "file is", "files are"), "2 files are": Count(2, "file is", "files are"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
