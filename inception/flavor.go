package inception

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
)

// Flavor names the training code that an InceptionV3's weights come from. The files differ in more
// than their names: whether an average pool counts its border, which pool the last block has, and
// what its input looks like.
type Flavor string

// The flavours that exist. Sources: retrain.py's graph of 2015 (tensorflow/models, classify_image);
// mseitzer/pytorch-fid src/pytorch_fid/inception.py; tensorflow/models
// research/slim/nets/inception_v3.py; keras src/applications/inception_v3.py; torchvision
// models/inception.py; timm models/inception_v3.py.
const (
	TF2015      Flavor = "tf-2015"     // what retrain.py used: 7c has a max pool, borders are not counted
	PytorchFID  Flavor = "pytorch-fid" // the same network under torchvision's names
	TFSlim      Flavor = "tf-slim"     // borders not counted, 1001 classes
	Keras       Flavor = "keras"       // borders not counted, 1000 classes
	Torchvision Flavor = "torchvision" // borders counted, 1000 classes
	Timm        Flavor = "timm"        // borders counted, 1000 classes
)

// Flavors lists every flavour.
func Flavors() []Flavor {
	return []Flavor{TF2015, PytorchFID, TFSlim, Keras, Torchvision, Timm}
}

// ParseFlavor returns the flavour called s, or an error that lists those that exist.
func ParseFlavor(s string) (Flavor, error) {
	names := make([]string, 0, 6)
	for _, f := range Flavors() {
		if string(f) == s {
			return f, nil
		}
		names = append(names, string(f))
	}
	return "", fmt.Errorf("inception: flavour %q is unknown: use one of %s", s, strings.Join(names, ", "))
}

// CountBorder reports whether the 3x3 average pools divide by nine at the border too (torch's
// default), instead of by the number of pixels that really lie under the window (TensorFlow).
func (f Flavor) CountBorder() bool { return f == Torchvision || f == Timm }

// MaxIn7c reports whether the pool branch of Mixed_7c takes the maximum instead of the average.
func (f Flavor) MaxIn7c() bool { return f == TF2015 || f == PytorchFID }

// Recipe returns how the flavour's authors turned a photograph into the network's input: 299x299
// RGB, y=(x-mean)/std with x in 0..255. Orientation is applied in all of them, which none of the
// authors did: it changes sideways photographs only, and for the better.
func (f Flavor) Recipe() picture.Recipe {
	half := [3]float32{127.5, 127.5, 127.5}
	r := picture.Recipe{Size: 299, Orient: true, Geometry: "squash", Filter: "bilinear", Mean: half, Std: half}
	switch f {
	case TF2015, PytorchFID:
		r.Filter = "tf1-bilinear"
		r.Mean = [3]float32{128, 128, 128}
		r.Std = r.Mean
	case TFSlim:
		r.Geometry, r.Fraction, r.Filter = "central", 0.875, "tf1-bilinear"
	case Torchvision:
		r.Geometry, r.Resize = "crop", 342
	case Timm: // short side to floor(299/0.875)
		r.Geometry, r.Resize, r.Filter = "crop", 341, "bicubic"
	}
	return r
}

// Resized returns a recipe for another side of the network's input, in pixels; what is cropped
// stays in proportion.
func Resized(r picture.Recipe, size int) picture.Recipe {
	if r.Resize > 0 {
		r.Resize = max(size, (r.Resize*size+r.Size/2)/r.Size)
	}
	r.Size = size
	return r
}
