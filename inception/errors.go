package inception

import "errors"

// What a caller may branch on, beside [FormatError] of files, the errors of package picture for single
// pictures, [nn.ErrClosed] and [nn.ErrDevice]. Each is found by errors.Is in an error that says more.
var (
	// ErrNoTrunk: the model cannot answer before AttachTrunk gives it its weights.
	ErrNoTrunk = errors.New("the model was saved without its trunk")
	// ErrOtherTrunk: these weights are not those that the model's head was trained on.
	ErrOtherTrunk = errors.New("is not the one that the head was trained on")
	// ErrNoClassifier: the weights end at the bottleneck, and so answer with no label.
	ErrNoClassifier = errors.New("these weights have no classifier")
	// ErrSelfTest: the model does not answer as it did when it was made.
	ErrSelfTest = errors.New("self-test")
	// ErrNotFinite is about one picture.
	ErrNotFinite = errors.New("inception: the network's answer is not finite: its weights are unfit for this picture")
)
