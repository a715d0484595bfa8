package registry

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
)

// Entry is one official weight file. What its publisher does not state is empty or zero.
type Entry struct {
	Name    string           `json:"name"`    // what --weights and pull call it
	File    string           `json:"file"`    // as published
	URL     string           `json:"url"`     // where its publisher keeps it
	SHA256  string           `json:"sha256"`  // hex, of the whole file, or as many digits as were published
	Size    int64            `json:"size"`    // bytes
	License string           `json:"license"` //
	Flavor  inception.Flavor `json:"flavor"`  //
	Recipe  picture.Recipe   `json:"recipe"`  // how its authors prepare a picture
	Classes int              `json:"classes"` // 0 without a classifier
	// published accuracy on ImageNet's validation pictures, percent, one crop
	Top1    float64 `json:"top1,omitempty"`
	Top5    float64 `json:"top5,omitempty"`
	Source  string  `json:"source"`          // who states address and accuracy
	Checked string  `json:"checked_against"` // who states SHA-256 and size, or that nobody does
}

// Entries lists the official files, in the order in which they are shown. Where a publisher names a
// file after the first digits of its SHA-256, as PyTorch's hub does, these are the digest unless
// somebody else states all of it.
func Entries() []Entry { //nolint:funlen // a table
	gluon := inception.Timm.Recipe() // trained with ImageNet's mean and deviation
	gluon.Mean, gluon.Std = [3]float32{123.675, 116.28, 103.53}, [3]float32{58.395, 57.12, 57.375}
	const (
		keras  = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
		timm   = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
		apache = "Apache-2.0"

		timmSource  = "timm models/inception_v3.py and its model page"
		timmChecked = "digest: the file's name, as torch.hub checks it; size: timm's model page"
	)
	list := []Entry{
		{
			Name: "keras", File: "inception_v3_weights_tf_dim_ordering_tf_kernels.h5", URL: keras, License: apache,
			SHA256: "00c9ea4e4762f716ac4d300d6d9c2935639cc5e4d139b5790d765dcbeea539d0", Size: 96112376,
			Flavor: inception.Keras, Classes: 1000, Top1: 77.9, Top5: 93.7,
			Source: "keras applications/inception_v3.py; keras.io, Keras Applications (accuracy)",
			Checked: "digest: gomlx examples/inceptionv3/download.go and USC ISI's dsbox featurizer, beside Keras's own MD5 " +
				"9a0d58056eeedaa3f26cb7ebd46da564; size: Keras's download log",
		},
		{
			Name: "keras-notop", File: "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5", URL: keras, License: apache,
			SHA256: "9617109a16463f250180008f9818336b767bdf5164315e8cd5761a8c34caa62a", Size: 87910968, Flavor: inception.Keras,
			Source: "keras applications/inception_v3.py; the trunk of keras",
			Checked: "digest: gomlx examples/inceptionv3/download.go and kungfuai/d3m-primitives, beside Keras's own MD5 " +
				"bcbd6486424b2319ff4ef7d526e38f63; size: Keras's download log",
		},
		{
			Name: "torchvision", File: "inception_v3_google-0cc3c7bd.pth", URL: "https://download.pytorch.org/models/",
			License: "BSD-3-Clause",
			SHA256:  "0cc3c7bd", Size: 108949747, Flavor: inception.Torchvision, Classes: 1000, Top1: 77.294, Top5: 93.45,
			Source:  "torchvision models/inception.py, Inception_V3_Weights.IMAGENET1K_V1",
			Checked: "digest: the file's name, as torch.hub checks it; size: torch.hub's download log",
		},
		{
			Name: "tf-2015", File: "inception-2015-12-05.tgz",
			URL: "https://storage.googleapis.com/download.tensorflow.org/models/image/imagenet/", License: apache,
			Size: 88931400, Flavor: inception.TF2015, Classes: 1008,
			Source:  "tensorflow/models tutorials/image/imagenet/classify_image.py",
			Checked: "digest: none is published; size: classify_image.py's download log",
		},
		{
			Name: "pytorch-fid", File: "pt_inception-2015-12-05-6726825d.pth",
			URL: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/", License: apache,
			SHA256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2", Size: 95628359,
			Flavor: inception.PytorchFID, Classes: 1008, Source: "mseitzer/pytorch-fid src/pytorch_fid/inception.py",
			Checked: "digest: the file's name begins it, snap-research/discoscene models/inception_model.py states all of it; " +
				"size: users' download logs",
		},
		{
			Name: "tf-slim", File: "inception_v3_2016_08_28_frozen.pb.tar.gz",
			URL: "https://storage.googleapis.com/download.tensorflow.org/models/", License: apache,
			SHA256: "7045b72a954af4dce36346f478610acdccbf149168fa25c78e54e32f0c723d6d", Size: 88668554,
			Flavor: inception.TFSlim, Classes: 1001, Top1: 78.0, Top5: 93.9,
			Source: "tensorflow examples/label_image; tensorflow/models research/slim README (accuracy of the " +
				"checkpoint it was frozen from)",
			Checked: "digest and size: openvinotoolkit/open_model_zoo models/public/googlenet-v3/model.yml",
		},
		{
			Name: "timm-tf", File: "tf_inception_v3-e0069de4.pth", URL: timm, License: apache, SHA256: "e0069de4",
			Size:   95549439,
			Flavor: inception.Timm, Classes: 1001, Top1: 77.87, Top5: 93.65, Source: timmSource, Checked: timmChecked,
		},
		{
			Name: "timm-adv", File: "adv_inception_v3-9e27bd63.pth", URL: timm, License: apache, SHA256: "9e27bd63",
			Size:   95549439,
			Flavor: inception.Timm, Classes: 1001, Top1: 77.58, Top5: 93.74, Source: timmSource, Checked: timmChecked,
		},
		{
			Name: "timm-gluon", File: "gluon_inception_v3-9f746940.pth", URL: timm, License: apache, SHA256: "9f746940",
			Size:   95567055,
			Flavor: inception.Timm, Classes: 1000, Recipe: gluon, Top1: 78.8, Top5: 94.38, Source: timmSource,
			Checked: timmChecked,
		},
	}
	for i := range list {
		list[i].URL += list[i].File
		if list[i].Recipe.Size == 0 {
			list[i].Recipe = list[i].Flavor.Recipe()
		}
	}
	return list
}

// Official tells a published file by its SHA-256 in hexadecimal and its length in bytes, and
// returns its flavour and recipe: the bytes alone do not say that timm's gluon network wants
// another mean and deviation than its siblings.
func Official(sha256 string, size int64) (inception.Flavor, picture.Recipe, bool) {
	for _, e := range Entries() {
		if e.SHA256 != "" && strings.HasPrefix(sha256, e.SHA256) && size == e.Size {
			return e.Flavor, e.Recipe, true
		}
	}
	return "", picture.Recipe{}, false
}

// Find returns the entry of that name, or an error that lists them.
func Find(name string) (Entry, error) {
	var names []string
	for _, e := range Entries() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("registry: no weights are called %q: choose one of %s", name, strings.Join(names, ", "))
}
