package train

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// Bounds on the lists in metrics.
const (
	mostErrors   = 100
	mostOutliers = 50
	farOut       = 5 // robust deviations
)

const (
	folds       = 5
	neverJudged = -1 // instead of a fold
)

// What decides on a label, measured on flowers and signs with 5 % of the labels flipped:
// TestPlantedLabels.
const (
	suspectOdds   = 8 // how many times as probable another label is
	suspectRounds = 3 // of cross-validation; from the second on, heads are not trained on suspects
	suspectL2     = 3 // times DefaultL2: a head that is held tighter believes wrong labels less
)

// auditor looks at a run's pictures with heads of its own.
type auditor struct {
	items   []dataset.Item
	sums    [][sha256.Size]byte
	rows    [][]float32
	logits  []float64 // [n,K], the model's
	labels  []string
	fit     *head.Solution // the model's
	threads int
}

func (r *run) auditor() *auditor {
	rows := r.rows
	if r.bottlenecks != nil {
		rows = r.bottlenecks
	}
	return &auditor{r.items, r.sums, rows, r.logits, r.folder.Labels, r.res.Fit, r.cfg.Engine.Threads}
}

// fitWork estimates the work of a fit to n pictures with k labels.
func (j *auditor) fitWork(n, k int) float64 { return fitWork(n, len(j.rows[0]), k, j.fit.Iterations) }

// solve fits a head much like the model's to some examples, and returns its logits of rows.
func (j *auditor) solve(ctx context.Context, ex head.Examples, l2 float64, threads int, rows ...[][]float32) (
	[][]float64, error) {
	fit, err := head.Fit(ctx, ex, head.Config{Threads: threads, Options: head.Options{
		L2: l2, Scaling: j.fit.Scaling, Tolerance: max(j.fit.Tolerance, roughTolerance), MaxIterations: j.fit.MaxIterations,
	}})
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(rows))
	for i, r := range rows {
		if out[i], err = head.Logits(ctx, fit.Head, r, threads); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// verdict is what an auditor found.
type verdict struct {
	method string
	judged int
	prob   []float64 // [n,K]
	found  []labelError
}

// labelErrors looks for wrong labels: with probabilities from cross-validation where that is cheap,
// else from the model itself on what it was not trained on.
func (j *auditor) labelErrors(ctx context.Context, temperature float64) (*verdict, error) {
	n, k := len(j.items), len(j.labels)
	part := make([]int, n)
	for i, it := range j.items {
		if it.Split == dataset.Train {
			part[i] = neverJudged
		}
	}
	v := &verdict{
		method: "Probabilities are the model's own, for pictures that it was not trained on; cross-validating all of them " +
			"would have taken too long.",
		prob: make([]float64, n*k),
	}
	for i := range n {
		numeric.Softmax(v.prob[i*k:(i+1)*k], j.logits[i*k:(i+1)*k], temperature)
	}
	each := folds * j.fitWork(n, k)
	if deal, ok := dealFolds(j.items, j.sums, k, 0); ok && each <= reportWork {
		part = deal
		rounds := min(suspectRounds, int(reportWork/each))
		each, err := j.crossJudge(ctx, deal, k, rounds)
		if err != nil {
			return nil, err
		}
		v.prob = mean(each)
		v.method = fmt.Sprintf("Probabilities are cross-validated: each picture was judged by heads trained on the other "+
			"folds of %d, equal pictures in one fold, in %d rounds of which the later ones leave out what "+
			"the earlier ones suspect; the rounds are averaged.", folds, rounds)
	}
	for _, p := range part {
		if p != neverJudged {
			v.judged++
		}
	}
	if v.judged == 0 {
		v.method = "Nothing was held out, and cross-validation is impossible or would have taken too " +
			"long: no label was judged."
	}
	v.found = suspected(v.prob, j.items, part, k)
	return v, nil
}

// crossJudge cross-validates in rounds, the last with other folds, and returns the probabilities
// [n,K] of each.
func (j *auditor) crossJudge(ctx context.Context, deal []int, k, rounds int) ([][]float64, error) {
	leave := make([]bool, len(j.items)) // suspects, which are not trained on
	var each [][]float64
	for round := range rounds {
		if round == suspectRounds-1 {
			if other, ok := dealFolds(j.items, j.sums, k, 1); ok {
				deal = other
			}
		}
		prob, err := j.crossValidate(ctx, deal, k, leave)
		if err != nil {
			return nil, err
		}
		for i := range j.items {
			numeric.Softmax(prob[i*k:(i+1)*k], prob[i*k:(i+1)*k], 1)
		}
		each = append(each, prob)
		clear(leave)
		for _, f := range suspected(prob, j.items, deal, k) {
			leave[f.index] = true
		}
	}
	return each, nil
}

// mean averages vectors of one length.
func mean(of [][]float64) []float64 {
	out := make([]float64, len(of[0]))
	for _, v := range of {
		for i := range out {
			out[i] += v[i] / float64(len(of))
		}
	}
	return out
}

// labelError is a picture that looks like another label.
type labelError struct {
	index, suggested int
	own              float64 // probability of its label
}

// suspected finds pictures of which another label is more than suspectOdds times as probable as
// their own. Those whose own label is the least probable come first.
func suspected(prob []float64, items []dataset.Item, part []int, k int) []labelError {
	var found []labelError
	for i, it := range items {
		if part[i] == neverJudged {
			continue
		}
		p := prob[i*k : (i+1)*k]
		if best := numeric.Argmax(p); p[best] > suspectOdds*p[it.Label] {
			found = append(found, labelError{i, best, p[it.Label]})
		}
	}
	slices.SortStableFunc(found, func(a, b labelError) int { return cmp.Compare(a.own, b.own) })
	return found
}

// dealFolds deals the pictures of each label to folds by the digests of their bytes, equal ones to
// the same. A label with a single picture is never judged. Another turn deals otherwise, so that
// other pictures are in a fold together. It is not ok when some fold would leave a label without a
// picture to train on.
func dealFolds(items []dataset.Item, sums [][sha256.Size]byte, k, turn int) ([]int, bool) {
	byLabel := make([][][sha256.Size]byte, k)
	known := make(map[[sha256.Size]byte]int, len(items))
	for i, it := range items {
		if _, again := known[sums[i]]; !again {
			known[sums[i]] = neverJudged
			byLabel[it.Label] = append(byLabel[it.Label], sums[i])
		}
	}
	next := 0
	for _, list := range byLabel {
		if len(list) < 2 {
			continue
		}
		slices.SortFunc(list, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
		for _, s := range list {
			known[s] = (next + turn*(next/folds)) % folds
			next++
		}
	}
	deal := make([]int, len(items))
	total, held := make([]int, k), make([][folds]int, k)
	for i, it := range items {
		deal[i] = known[sums[i]]
		total[it.Label]++
		if deal[i] >= 0 {
			held[it.Label][deal[i]]++
		}
	}
	for l := range k {
		for _, n := range held[l] {
			if total[l] == 0 || n == total[l] {
				return nil, false
			}
		}
	}
	return deal, true
}

// crossValidate returns logits [n,K] of heads that were not trained on the picture, nor on those
// that are left out; zero for what no fold has.
func (j *auditor) crossValidate(ctx context.Context, deal []int, k int, leave []bool) ([]float64, error) {
	out := make([]float64, len(j.items)*k)
	workers, threads := par.Abreast(folds, len(j.items)*len(j.rows[0]), j.threads)
	err := par.Each(ctx, workers, folds, func(_, f int) error {
		ex := head.Examples{Classes: k}
		var spare head.Examples // what is left out, of labels that would have nothing else
		count := make([]int, k)
		var rows [][]float32
		var at []int
		for i, it := range j.items {
			switch {
			case deal[i] == f:
				rows, at = append(rows, j.rows[i]), append(at, i)
			case leave[i]:
				spare.Rows, spare.Labels = append(spare.Rows, j.rows[i]), append(spare.Labels, it.Label)
			default:
				ex.Rows, ex.Labels = append(ex.Rows, j.rows[i]), append(ex.Labels, it.Label)
				count[it.Label]++
			}
		}
		if len(at) == 0 {
			return nil
		}
		for i, l := range spare.Labels {
			if count[l] == 0 {
				ex.Rows, ex.Labels = append(ex.Rows, spare.Rows[i]), append(ex.Labels, l)
			}
		}
		logits, err := j.solve(ctx, ex, max(j.fit.L2, suspectL2*head.DefaultL2(k)), threads, rows)
		if err != nil {
			return err
		}
		for n, i := range at {
			copy(out[i*k:(i+1)*k], logits[0][n*k:(n+1)*k])
		}
		return nil
	})
	return out, err
}

// audit judges labels and looks for outliers, and copies the findings of the checks into m.
func (r *run) audit(ctx context.Context, m *metrics.Metrics) error {
	for _, f := range r.res.Checkup.Findings {
		if f.Code == doctor.CodeLeftOut { // paths as they were given: metrics are the same wherever the folder lies
			f.Images = slices.Clone(f.Images)
			for i, path := range f.Images {
				f.Images[i] = metrics.Relative(r.folder.Root, path)
			}
		}
		m.Findings = append(m.Findings, f)
	}
	if r.res.Fit.Head.Activation == inception.Sigmoid { // heads that give a picture any number of labels are not judged
		return nil
	}
	j := r.auditor()
	v, err := j.labelErrors(ctx, r.temp)
	if err != nil {
		return fmt.Errorf("train: labels: %w", err)
	}
	m.LabelErrors, m.Outliers = j.listed(v), j.outliers()
	return nil
}

// listed is a verdict as metrics have it.
func (j *auditor) listed(v *verdict) *metrics.LabelErrors {
	k := len(j.labels)
	out := &metrics.LabelErrors{Method: v.method, Judged: v.judged, Found: len(v.found), List: []metrics.LabelError{}}
	for _, f := range v.found[:min(len(v.found), mostErrors)] {
		it := j.items[f.index]
		out.List = append(out.List, metrics.LabelError{
			Image: it.Rel, Label: j.labels[it.Label], Suggested: j.labels[f.suggested],
			Probability: v.prob[f.index*k+f.suggested], OfLabel: v.prob[f.index*k+it.Label], Part: it.Split.String(),
		})
	}
	return out
}

// outliers finds pictures whose bottleneck is far from the mean of their label's: by more than
// farOut times 1.4826 times the median of the deviations from the median distance.
func (j *auditor) outliers() []metrics.Outlier {
	byLabel := make([][]int, len(j.labels))
	for i, it := range j.items {
		byLabel[it.Label] = append(byLabel[it.Label], i)
	}
	var out []metrics.Outlier
	for l, items := range byLabel {
		if len(items) < few/2 {
			continue
		}
		mean := make([]float64, len(j.rows[0]))
		for _, i := range items {
			for f, v := range j.rows[i] {
				mean[f] += float64(v) / float64(len(items))
			}
		}
		far := make([]float64, len(items))
		for n, i := range items {
			for f, v := range j.rows[i] {
				far[n] += (float64(v) - mean[f]) * (float64(v) - mean[f])
			}
			far[n] = math.Sqrt(far[n])
		}
		middle := median(far)
		off := make([]float64, len(far))
		for n := range far {
			off[n] = math.Abs(far[n] - middle)
		}
		spread := 1.4826 * median(off)
		for n, i := range items {
			if d := (far[n] - middle) / spread; spread > 0 && d > farOut {
				out = append(out, metrics.Outlier{Image: j.items[i].Rel, Label: j.labels[l], Distance: d})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b metrics.Outlier) int { return cmp.Compare(b.Distance, a.Distance) })
	return out[:min(len(out), mostOutliers)]
}

// median leaves values as they are.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
