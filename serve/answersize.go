package serve

import (
	"encoding/json"
	"net/http"
	"slices"
)

// answerSize is the most that the answer for one picture takes, in bytes: as text, and as the
// result that it is made from. It is known before the picture is looked at.
type answerSize struct{ text, result int64 }

func (a answerSize) plus(b answerSize) answerSize {
	return answerSize{a.text + b.text, a.result + b.result}
}

// The most digits of a number as JSON has it, its comma included.
const (
	float64Text = 25
	float32Text = 17
)

// answerFrame is more than what stands around a picture's answer, in bytes.
const answerFrame = 256

// measure adds up what labels take as JSON, the longest first: sums[k] is the most that k take.
func measure(labels []string) (sums []int64) {
	lengths := make([]int64, len(labels))
	for i, l := range labels {
		text, err := json.Marshal(l)
		if err != nil { // of no string
			text = nil
		}
		lengths[i] = int64(len(text)) + 1
	}
	slices.Sort(lengths)
	slices.Reverse(lengths)
	sums = make([]int64, 1, len(labels)+1)
	for i, n := range lengths {
		sums = append(sums, sums[i]+n)
	}
	return sums
}

// topK is how many labels k asks for.
func (m *model) topK(k int) int {
	if k < 0 || k > len(m.index) {
		return len(m.index)
	}
	return k
}

// multiLabels is how many labels an answer says that a picture has, at most.
func (m *model) multiLabels() int {
	if m.multiLabel {
		return len(m.index)
	}
	return 0
}

// labelsSize is of k labels with a number and a key each.
func (m *model) labelsSize(k int) answerSize {
	const keys = len(`{"label":,"probability":},`)
	return answerSize{m.labelText[k] + int64(k)*(float64Text+int64(keys)), 24 * int64(k)}
}

// valuesSize is of a bare number for every label.
func (m *model) valuesSize() answerSize {
	n := int64(len(m.index))
	return answerSize{n * float64Text, 24 * n}
}

func (m *model) embeddingSize() answerSize {
	n := int64(m.Model().Head.Features)
	return answerSize{n * float32Text, 4 * n}
}

// How many training pictures an explanation shows, and more than what each takes.
const nearestShown, neighbourText = 3, 100 << 10

// explanationSize is of the maps of k labels, and of the training pictures where they are shown.
func (m *model) explanationSize(k int, nearest bool) answerSize {
	side := int64(m.Model().MapSide())
	size := m.labelsSize(k)
	size.text += int64(k) * (side*side*float32Text + 8*side + answerFrame)
	size.result += int64(k) * (side*(side*4+24) + answerFrame)
	if nearest && m.Model().Neighbours != nil {
		size.text += nearestShown * neighbourText
	}
	return size
}

// size is the most that one picture's answer takes.
func (a responseWriter) size() answerSize {
	size := answerSize{answerFrame, 0}
	switch m := a.model; {
	case a.form == typeNPY:
		return size.plus(m.valuesSize())
	case a.form == typeVerboseJSON:
		size = size.plus(m.labelsSize(len(m.index)))
	case a.compat == CompatBuiltin:
		size = size.plus(m.valuesSize())
	default:
		size = size.plus(m.labelsSize(m.topK(a.opts.topK)))
	}
	size = size.plus(a.model.labelsSize(a.model.multiLabels()))
	if a.opts.embedding {
		size = size.plus(a.model.embeddingSize())
	}
	if a.opts.explain {
		size = size.plus(a.model.explanationSize(a.model.topK(a.opts.topK), a.page))
	}
	return size
}

// reserveAnswer takes what the answer for so many pictures will hold, or refuses the request.
func (s *Server) reserveAnswer(held *ledger, pictures int, each answerSize) error {
	text := int64(pictures) * each.text
	if text > s.cfg.MaxAnswerBytes {
		return fail(http.StatusRequestEntityTooLarge,
			"the answer for %d pictures may take %d bytes, more than the limit of %d; ask for fewer labels by top_k, or send "+
				"fewer pictures", pictures, text, s.cfg.MaxAnswerBytes)
	}
	return held.take(text + int64(pictures)*each.result)
}
