package metrics

import (
	"cmp"
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
)

// mostTop is the largest k of a top-k accuracy.
const mostTop = 5

// topK returns, for k from 1 to mostTop or the number of classes, the share of examples whose label
// is among the k largest logits; of equal logits the first is the larger one, as everywhere. It is
// nil when there are no examples.
func topK(logits []float64, labels []int, classes int) []float64 {
	if len(labels) == 0 {
		return nil
	}
	out := make([]float64, min(mostTop, classes))
	for i, label := range labels {
		for k := rankOf(logits[i*classes:(i+1)*classes], label) - 1; k < len(out); k++ {
			out[k]++
		}
	}
	for k := range out {
		out[k] /= float64(len(labels))
	}
	return out
}

// rankOf is the place of a label by its logit, from 1.
func rankOf(row []float64, label int) int {
	rank := 1
	for j, l := range row {
		if l > row[label] || l == row[label] && j < label {
			rank++
		}
	}
	return rank
}

// classAUC fills the ROCAUC of each class, by its probability, and returns the mean of those there
// are.
func classAUC(logits []float64, labels []int, temperature float64, per []Class) *float64 {
	classes := len(per)
	prob := make([]float64, len(logits))
	for i := range labels {
		numeric.Softmax(prob[i*classes:(i+1)*classes], logits[i*classes:(i+1)*classes], temperature)
	}
	scores, is := make([]float64, len(labels)), make([]bool, len(labels))
	sum, n := 0.0, 0
	for c := range per {
		for i, l := range labels {
			scores[i], is[i] = prob[i*classes+c], l == c
		}
		if auc, ok := rocAUC(scores, is); ok {
			per[c].ROCAUC = &auc
			sum += auc
			n++
		}
	}
	if n == 0 {
		return nil
	}
	mean := sum / float64(n)
	return &mean
}

// rocAUC returns the area under the ROC curve by the ranks of the scores (Mann and Whitney, 1947),
// equal scores sharing their mean rank; it is not ok unless there are examples of both kinds.
func rocAUC(scores []float64, is []bool) (auc float64, ok bool) {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	ranks, yes := 0.0, 0.0
	for lo := 0; lo < len(order); {
		hi, of := lo, 0.0
		for ; hi < len(order) && scores[order[hi]] == scores[order[lo]]; hi++ {
			if is[order[hi]] {
				of++
			}
		}
		ranks += of * float64(lo+hi+1) / 2 // ranks count from 1
		yes += of
		lo = hi
	}
	no := float64(len(scores)) - yes
	if yes == 0 || no == 0 {
		return 0, false
	}
	return (ranks - yes*(yes+1)/2) / (yes * no), true
}
