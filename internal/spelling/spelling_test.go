package spelling

import (
	"strings"
	"testing"
)

func TestDidYouMean(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct {
		text       string
		candidates []string
		want       string
	}{
		{"lable", []string{"image", "label", "split"}, "label"},
		{"TETS", []string{"train", "validation", "test"}, "test"},
		{"", []string{"a", "bc"}, "a"},                                // one letter off
		{"", []string{"bc"}, ""},                                      // two letters off nothing
		{"abcd", []string{"abxyz"}, "abxyz"},                          // half of four and one
		{"abcd", []string{"awxyz"}, ""},                               // one more
		{"cat", []string{"bat", "hat"}, "bat"},                        // the first of equals
		{"ёлка", []string{"ялта", "ёж", "ёлки"}, "ёлки"},              // letters, not bytes
		{long + "a", []string{long[:60], long + "zzz"}, long + "zzz"}, // what follows 64 bytes does not count
		{"x", nil, ""},
	} {
		want := ""
		if c.want != "" {
			want = `; did you mean "` + c.want + `"?`
		}
		if got := Suggest(c.text, c.candidates); got != want {
			t.Errorf("didYouMean(%q, %q) = %q, want %q", c.text, c.candidates, got, want)
		}
	}
}

func TestList(t *testing.T) {
	for want, names := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := List(names); got != want {
			t.Errorf("%q: got %q, want %q", names, got, want)
		}
	}
}
