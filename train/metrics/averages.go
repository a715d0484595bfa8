package metrics

import "fmt"

// Averages put the accuracy of ConfusionPart in its place.
type Averages struct {
	LargestLabel    string  `json:"largest_label"`          // that most of its pictures have
	LargestAccuracy float64 `json:"largest_label_accuracy"` // of always answering that
	Balanced        float64 `json:"balanced_accuracy"`      // mean recall of the labels that a picture has
	MacroF1         float64 `json:"macro_f1"`               // mean F1 of the labels that a picture has or was given
}

// averages are over the labels; nil without a picture.
func averages(classes []Class) *Averages {
	var out Averages
	pictures, largest, recalls, f1s := 0, 0, 0, 0
	for _, c := range classes {
		pictures += c.Measured
		if c.Measured > largest {
			largest, out.LargestLabel = c.Measured, c.Label
		}
		if c.Measured > 0 {
			out.Balanced += c.Recall
			recalls++
		}
		if c.Measured+c.Predicted > 0 {
			out.MacroF1 += c.F1
			f1s++
		}
	}
	if pictures == 0 {
		return nil
	}
	out.LargestAccuracy = float64(largest) / float64(pictures)
	out.Balanced /= float64(recalls)
	out.MacroF1 /= float64(f1s)
	return &out
}

// farApart is how much of the training accuracy the test accuracy has to lack, beyond its interval.
const farApart = 0.05

// Gap is a sentence where the accuracy on the training pictures is far above that on the test
// pictures, or on the validation ones where there is no test part; "" elsewhere.
func (m *Metrics) Gap() string {
	held, name := m.Test, "test"
	if held.Images == 0 {
		held, name = m.Validation, "validation"
	}
	if m.Train.Images == 0 || held.Images == 0 || held.Interval[1]+farApart >= m.Train.Accuracy {
		return ""
	}
	return fmt.Sprintf("the accuracy on the training pictures, %.1f %%, is far above that on the %s pictures, %.1f %%: "+
		"expect the latter of new pictures; more pictures, altered views of them or a larger L2 bring the two together",
		100*m.Train.Accuracy, name, 100*held.Accuracy)
}
