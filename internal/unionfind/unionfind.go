// Package unionfind keeps the numbers 0..n-1 in disjoint groups.
package unionfind

// Groups are disjoint groups of the numbers 0..len-1; each number points towards its group's
// smallest member.
type Groups []int

// New returns n groups of one number each.
func New(n int) Groups {
	g := make(Groups, n)
	for i := range g {
		g[i] = i
	}
	return g
}

// Find returns the smallest member of i's group.
func (g Groups) Find(i int) int {
	for g[i] != i {
		g[i] = g[g[i]]
		i = g[i]
	}
	return i
}

// Union makes one group of i's and j's.
func (g Groups) Union(i, j int) {
	a, b := g.Find(i), g.Find(j)
	g[max(a, b)] = min(a, b)
}
