package dataset

import "math"

// firstRule deals a label's groups, sorted by u, as models were split before quotas.
func firstRule(groups []*group, validation, test float64, stratified bool) []Split {
	nv, nt := shares(groups, validation, test)
	if stratified {
		nv, nt = exactShares(groups, validation, test)
	}
	parts := make([]Split, len(groups))
	for i := range parts[:nv+nt] {
		if parts[i] = Test; i < nv {
			parts[i] = Validation
		}
	}
	return parts
}

// exactShares is shares by pictures instead of by u: groups are taken until the wanted number of
// pictures is nearest.
func exactShares(groups []*group, validation, test float64) (nv, nt int) {
	total := 0
	for _, g := range groups {
		total += len(g.items)
	}
	take := func(from int, want float64) (n int) {
		got := 0
		for _, g := range groups[from:] {
			if math.Abs(float64(got+len(g.items))-want) > math.Abs(float64(got)-want) {
				break
			}
			got += len(g.items)
			n++
		}
		return n
	}
	nv = take(0, math.Round(validation*float64(total)))
	nt = take(nv, math.Round(test*float64(total)))
	return floors(len(groups), nv, nt, validation > 0, test > 0)
}

// shares says how many of a label's groups, sorted by u, go into validation and into test.
func shares(groups []*group, validation, test float64) (nv, nt int) {
	for _, g := range groups {
		if g.u < validation {
			nv++
		} else if g.u < validation+test {
			nt++
		}
	}
	return floors(len(groups), nv, nt, validation > 0, test > 0)
}

// floors sees to it that n groups give at least one to each split that is wanted, as far as they
// go.
func floors(n, nv, nt int, validation, test bool) (int, int) {
	switch {
	case n <= 1:
		return 0, 0
	case n == 2 && test:
		return 0, 1
	case n == 2 && validation:
		return 1, 0
	}
	if validation {
		nv = max(nv, 1)
	}
	if test {
		nt = max(nt, 1)
	}
	for nv+nt >= n {
		if nv >= nt {
			nv--
		} else {
			nt--
		}
	}
	return nv, nt
}
