package metrics

import "math"

// Paired compares what two models say of the same pictures.
type Paired struct {
	Images    int        `json:"images"`
	A         float64    `json:"accuracy_a"`
	B         float64    `json:"accuracy_b"`
	IntervalA [2]float64 `json:"interval_a"` // Wilson, 95 %
	IntervalB [2]float64 `json:"interval_b"`
	Both      int        `json:"both_right"`
	OnlyA     int        `json:"only_a_right"`
	OnlyB     int        `json:"only_b_right"`
	Neither   int        `json:"both_wrong"`
	P         float64    `json:"p_value"` // see McNemar
	Changed   []Changed  `json:"changed"` // pictures of which they say different things, in the order of A
}

// Changed is a picture of which two models say different things.
type Changed struct {
	Image        string  `json:"image"` // Picture.Rel
	Label        string  `json:"label"`
	A            string  `json:"a"` // what they say
	B            string  `json:"b"`
	ProbabilityA float64 `json:"probability_a"`
	ProbabilityB float64 `json:"probability_b"`
}

// Pair compares two models on the pictures that both answered for, known by their Rel. Where a label
// differs, that of a counts.
func Pair(a, b []Picture) Paired {
	of := make(map[string]*Picture, len(b))
	for i := range b {
		of[b[i].Rel] = &b[i]
	}
	p := Paired{Changed: []Changed{}}
	for i := range a {
		x, y := &a[i], of[a[i].Rel]
		if y == nil {
			continue
		}
		p.Images++
		switch rightA, rightB := x.Predicted == x.Label, y.Predicted == x.Label; {
		case rightA && rightB:
			p.Both++
		case rightA:
			p.OnlyA++
		case rightB:
			p.OnlyB++
		default:
			p.Neither++
		}
		if x.Predicted != y.Predicted {
			p.Changed = append(p.Changed, Changed{x.Rel, x.Label, x.Predicted, y.Predicted, x.Probability, y.Probability})
		}
	}
	if p.Images > 0 {
		p.A, p.B = float64(p.Both+p.OnlyA)/float64(p.Images), float64(p.Both+p.OnlyB)/float64(p.Images)
	}
	p.IntervalA, p.IntervalB = Wilson(p.Both+p.OnlyA, p.Images), Wilson(p.Both+p.OnlyB, p.Images)
	p.P = McNemar(p.OnlyA, p.OnlyB)
	return p
}

// McNemar is the exact two-sided test of two paired proportions (Q. McNemar, 1947, with the binomial
// distribution): how probable it is that, of the pictures that one of two equally good models alone
// has right, they share so unevenly as onlyA and onlyB, or more. It is 1 where there are none, and
// for numbers below 0.
func McNemar(onlyA, onlyB int) float64 {
	if onlyA < 0 || onlyB < 0 || onlyA+onlyB == 0 {
		return 1
	}
	if max(onlyA, onlyB) > exactPairs { // the normal distribution is as good, and done sooner
		a, b := float64(onlyA), float64(onlyB)
		return math.Erfc(math.Abs(a-b) / math.Sqrt(2*(a+b)))
	}
	n, least := onlyA+onlyB, min(onlyA, onlyB)
	sum, all := 0.0, logFactorial(n)-float64(n)*math.Ln2
	for i := range least + 1 {
		sum += math.Exp(all - logFactorial(i) - logFactorial(n-i))
	}
	return min(1, 2*sum)
}

// exactPairs is up to which number McNemar counts exactly.
const exactPairs = 1 << 20

func logFactorial(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}
