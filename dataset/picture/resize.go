package picture

import "fmt"

// The filters that other tools resize with. None but the areas is widened when shrinking: that is
// what these tools do unless they are told otherwise, so that most pixels of a large picture count
// for nothing.
const (
	TFBilinear    = "tf-bilinear" // tf.image.resize: two samples a side about half-pixel centres
	TFBicubic     = "tf-bicubic"  // its cubic: a = -0.5, renormalised at the border
	TFLanczos3    = "tf-lanczos3" // its Lanczos of three and of five lobes
	TFLanczos5    = "tf-lanczos5"
	TFArea        = "tf-area"        // its mean of what an output pixel covers
	AlignCorners  = "align-corners"  // bilinear with align_corners=true: the corners' centres meet
	CV2Linear     = "cv2-linear"     // OpenCV's INTER_LINEAR of bytes
	CV2Area       = "cv2-area"       // OpenCV's INTER_AREA of bytes
	TorchBilinear = "torch-bilinear" // torchvision's of byte tensors, antialias=False
	TorchBicubic  = "torch-bicubic"  // the same, a = -0.75, the border repeated
	FloorNearest  = "floor-nearest"  // the pixel at floor(i*in/out): TensorFlow 1, OpenCV, PyTorch
	TFNearest     = "tf-nearest"     // the pixel under the centre: tf.image.resize
	PillowNearest = "pillow-nearest" // the same as Pillow counts it: Keras's load_img
)

// The geometries that other tools resize with, beside those of the published networks.
const (
	Square    = "square"    // the largest square in the middle: crop_to_aspect_ratio, smart_resize
	Pad       = "pad"       // the whole picture with black around it: tf.image.resize_with_pad
	PadBefore = "pad-first" // made a square with black around it, then resized: pad_to_aspect_ratio
)

// Resize names how other tools make a picture of any size one of the network's.
type Resize struct {
	Name     string
	Filter   string
	Geometry string // "" leaves the recipe's
	Tool     string // what does it
}

// Resizes lists them. Every filter of a recipe is a name, too.
func Resizes() []Resize {
	return []Resize{
		{"keras", TFBilinear, Squash, "tf.image.resize, keras.layers.Resizing, image_dataset_from_directory"},
		{"keras-crop", TFBilinear, Square, "crop_to_aspect_ratio=True, smart_resize"},
		{"keras-pad", TFBilinear, PadBefore, "pad_to_aspect_ratio=True"},
		{"keras-load-img", PillowNearest, Squash, "keras.utils.load_img(target_size=...), flow_from_directory"},
		{"tf-pad", TFBilinear, Pad, "tf.image.resize_with_pad"},
		{"nsfwjs", AlignCorners, Squash, "tf.image.resizeBilinear(..., alignCorners=true) of TensorFlow.js"},
		{TFBilinear, TFBilinear, "", "tf.image.resize"},
		{TFBicubic, TFBicubic, "", `tf.image.resize(method="bicubic")`},
		{TFLanczos3, TFLanczos3, "", `tf.image.resize(method="lanczos3")`},
		{TFLanczos5, TFLanczos5, "", `tf.image.resize(method="lanczos5")`},
		{TFArea, TFArea, "", `tf.image.resize(method="area")`},
		{TFNearest, TFNearest, "", `tf.image.resize(method="nearest")`},
		{AlignCorners, AlignCorners, "", "tf.compat.v1.image.resize_bilinear(align_corners=True)"},
		{CV2Linear, CV2Linear, "", "cv2.resize"},
		{CV2Area, CV2Area, "", "cv2.resize(interpolation=cv2.INTER_AREA)"},
		{TorchBilinear, TorchBilinear, "", "torchvision.transforms.Resize(antialias=False) of a tensor"},
		{TorchBicubic, TorchBicubic, "", "the same with InterpolationMode.BICUBIC"},
		{FloorNearest, FloorNearest, "", "cv2.INTER_NEAREST, torch's and TensorFlow 1's nearest"},
		{PillowNearest, PillowNearest, "", "PIL.Image.resize(resample=Image.NEAREST)"},
		{TF1Bilinear, TF1Bilinear, "", "tf.compat.v1.image.resize_bilinear"},
		{Bilinear, Bilinear, "", "PIL.Image.resize(resample=Image.BILINEAR), torchvision's of PIL pictures"},
		{Bicubic, Bicubic, "", "PIL.Image.resize(resample=Image.BICUBIC)"},
		{Lanczos, Lanczos, "", "PIL.Image.resize(resample=Image.LANCZOS)"},
		{Nearest, Nearest, "", "the nearest pixel, as github.com/disintegration/imaging picks it"},
	}
}

// WithResize returns r resizing as name of Resizes does. The rest of r stays.
func (r Recipe) WithResize(name string) (Recipe, error) {
	names := ""
	for _, way := range Resizes() {
		if way.Name != name {
			names += " " + way.Name
			continue
		}
		r.Filter = way.Filter
		if way.Geometry != "" && way.Geometry != r.Geometry {
			r.Geometry, r.Resize, r.Fraction = way.Geometry, 0, 0
		}
		return r, r.Validate()
	}
	return r, fmt.Errorf("dataset: recipe: resize: got %q, want one of%s", name, names)
}

// sampled says whether a filter is one of sample's.
func sampled(filter string) bool {
	switch filter {
	case TFBilinear, TFBicubic, TFLanczos3, TFLanczos5, TFArea, AlignCorners, CV2Linear, CV2Area, TorchBilinear,
		TorchBicubic, FloorNearest, TFNearest, PillowNearest:
		return true
	}
	return false
}

// rounded says whether a filter's tool returns bytes.
func rounded(filter string) bool {
	return filter == CV2Linear || filter == CV2Area || filter == TorchBilinear || filter == TorchBicubic
}
