// Package ir is the form in which a compiled network reaches the executors: a
// list of steps over values, already fused (batch norm folded into weights,
// bias and ReLU attached), with the batch axis left out.
//
// Layout: a value is one image's tensor, [C,H,W] or [F], row-major. How an
// executor stores it meanwhile is its own affair. Everything here is read-only
// once built and may be shared between goroutines.
package ir

import "fmt"

// Kind is what a step computes.
type Kind uint8

// The kinds of step. In names the values read, Out the value written.
const (
	Conv          Kind = iota // In[0] [C,H,W], W [O,C,KH,KW], B [O] -> [O,OH,OW]
	Affine                    // In[0] [C,H,W] * W [C] + B [C], per channel
	ReLU                      // max(In[0], 0)
	MaxPool                   // In[0] [C,H,W] -> [C,OH,OW]
	AvgPool                   // In[0] [C,H,W] -> [C,OH,OW]
	Concat                    // In... [Ci,H,W] -> [sum Ci,H,W]
	GlobalAvgPool             // In[0] [C,H,W] -> [C]
	Dense                     // In[0] [F], W [K,F], B [K] -> [K]
	Softmax                   // In[0] [K] -> [K]
	Moments                   // In[0] [C,H,W] -> [MomentRuns*C]: see nn.Moments
	Activation                // Function of In[0], element by element
	Add                       // the sum of In..., all of one shape
	Flatten                   // In[0] [C,H,W] -> [C*H*W]
)

// MomentRuns is the number of runs of C values that Moments gives: the mean, the means over four
// quarters, the standard deviation.
const MomentRuns = 6

// String returns the kind's name.
func (k Kind) String() string {
	names := [...]string{"conv", "affine", "relu", "maxpool", "avgpool", "concat", "globalavgpool", "dense", "softmax",
		"moments", "activation", "add", "flatten"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Window is a sliding window: its extent, its steps and the padding on each
// side of the image, in pixels.
type Window struct {
	KH, KW                   int
	StrideH, StrideW         int
	Top, Bottom, Left, Right int
}

// Out returns the number of window positions over an h by w image; below 1
// when the padded image is smaller than the window.
func (w Window) Out(h, wd int) (oh, ow int) {
	return extent(h+w.Top+w.Bottom-w.KH, w.StrideH), extent(wd+w.Left+w.Right-w.KW, w.StrideW)
}

func extent(room, stride int) int {
	if room < 0 {
		return 0
	}
	return room/stride + 1
}

// Value is one tensor of the network for one image.
type Value struct {
	Name  string
	Shape []int // [C,H,W] or [F]
}

// Size returns the number of float32 values.
func (v Value) Size() int {
	n := 1
	for _, d := range v.Shape {
		n *= d
	}
	return n
}

// Range is the least and the greatest number that a value should be able to
// hold where it is stored in fewer bits.
type Range struct{ Low, High float32 }

// Step computes one value from others.
type Step struct {
	Kind        Kind
	Name        string
	In          []int // indices into Net.Values
	Out         int   // index into Net.Values
	Window      Window
	CountBorder bool      // AvgPool: divide by the window's whole area
	ReLU        bool      // Conv, Affine, Dense: clamp the result at zero
	Function    string    // Activation: which one, see ref.Function
	Alpha       float64   // of Function
	W, B        []float32 // see Kind; B is never nil where it is named there
}

// Net is a whole network: Steps in an order in which every value is written
// once, before it is read.
type Net struct {
	Values  []Value
	Steps   []Step
	Input   int   // index of the value fed by the caller
	Outputs []int // indices of the values handed back, in the caller's order
}
