package unionfind_test

import (
	"slices"
	"testing"

	"github.com/c236555e/rehead/internal/unionfind"
)

func TestGroups(t *testing.T) {
	g := unionfind.New(7)
	for _, pair := range [][2]int{{5, 3}, {6, 5}, {1, 2}, {3, 3}} {
		g.Union(pair[0], pair[1])
	}
	got := make([]int, len(g))
	for i := range g {
		got[i] = g.Find(i)
	}
	if want := []int{0, 1, 1, 3, 4, 3, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: every number's group is named by its smallest member", got, want)
	}
}
