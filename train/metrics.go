package train

// Part measures one part of the pictures. With no pictures in it the rest is zero, and null in JSON.
type Part struct {
	Images   int
	Correct  int
	Accuracy float64    // Correct / Images
	Interval [2]float64 // Wilson score interval of Accuracy, 95 %
	LogLoss  float64    // mean of -ln p(true label)
}

// Class measures one label.
type Class struct {
	Label      string  `json:"label"`
	Train      int     `json:"train"` // pictures in each part
	Validation int     `json:"validation"`
	Test       int     `json:"test"`
	Measured   int     `json:"measured"` // pictures of this label in ConfusionPart
	Precision  float64 `json:"precision"`
	Recall     float64 `json:"recall"`
	F1         float64 `json:"f1"`
}

// Metrics is what a run measured. In JSON the parts are flat: "test_images", "test_correct", "test_accuracy",
// "test_accuracy_interval", "test_log_loss", and the same with "train_" and "validation_"; those of All have no prefix
// but "accuracy", "accuracy_interval", "correct", "log_loss".
type Metrics struct {
	Images      int // pictures used
	Classes     int
	Quarantined int // pictures that could not be read
	Duplicates  int // pictures whose bytes are those of an earlier one

	All, Train, Validation, Test Part

	ConfusionPart string  // which part Confusion and PerClass are about: "test", "validation", "train" or "all"
	Confusion     [][]int // [true label][predicted label]
	PerClass      []Class

	Temperature     float64 // fitted on the validation part; 1 when there is none
	ECE             float64 // expected calibration error on ConfusionPart, 15 bins, with Temperature
	ECEUncalibrated float64 // and with temperature 1
}

// Picture is one picture and what the model said of it.
type Picture struct {
	Path        string  `json:"image"`
	Rel         string  `json:"rel"`
	Part        string  `json:"part"`
	Label       string  `json:"label"`
	Predicted   string  `json:"predicted"`
	Probability float64 `json:"probability"` // of Predicted
	OfLabel     float64 `json:"probability_of_label"`
}
