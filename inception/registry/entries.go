package registry

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// Entry is one official weight file. What its publisher does not state is empty or zero.
type Entry struct {
	Name    string           `json:"name"`           // what --weights and pull call it
	File    string           `json:"file"`           // as published
	URL     string           `json:"url"`            // where its publisher keeps it
	SHA256  string           `json:"sha256"`         // hex, of the whole file, or as many digits as were published
	Size    int64            `json:"size"`           // bytes
	License string           `json:"license"`        //
	Flavor  inception.Flavor `json:"flavor"`         //
	Recipe  dataset.Recipe   `json:"recipe"`         // how its authors prepare a picture
	Classes int              `json:"classes"`        // 0 without a classifier
	Top1    float64          `json:"top1,omitempty"` // published accuracy on ImageNet's validation pictures, percent, one crop
	Top5    float64          `json:"top5,omitempty"`
	Source  string           `json:"source"` // who states digest and accuracy
}

// Entries lists the official files, in the order in which they are shown.
func Entries() []Entry {
	gluon := inception.Timm.Recipe() // trained with ImageNet's mean and deviation
	gluon.Mean, gluon.Std = [3]float32{123.675, 116.28, 103.53}, [3]float32{58.395, 57.12, 57.375}
	const (
		keras  = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
		timm   = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
		apache = "Apache-2.0"
	)
	list := []Entry{
		{
			Name: "keras", File: "inception_v3_weights_tf_dim_ordering_tf_kernels.h5", URL: keras, Size: 96112376, License: apache,
			SHA256: "00c9ea4e4762f716ac4d300d6d9c2935639cc5e4d139b5790d765dcbeea539d0", Flavor: inception.Keras, Classes: 1000,
			Top1: 77.9, Top5: 93.7, Source: "keras.io, Keras Applications (accuracy); gomlx examples/inceptionv3/download.go (SHA-256)",
		},
		{
			Name: "keras-notop", File: "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5", URL: keras, Size: 87910968, License: apache,
			SHA256: "9617109a16463f250180008f9818336b767bdf5164315e8cd5761a8c34caa62a", Flavor: inception.Keras,
			Source: "gomlx examples/inceptionv3/download.go (SHA-256); the trunk of keras",
		},
		{
			Name: "torchvision", File: "inception_v3_google-0cc3c7bd.pth", URL: "https://download.pytorch.org/models/", Size: 108949747, License: "BSD-3-Clause",
			SHA256: "0cc3c7bd", Flavor: inception.Torchvision, Classes: 1000,
			Top1: 77.294, Top5: 93.45, Source: "torchvision models/inception.py, Inception_V3_Weights.IMAGENET1K_V1",
		},
		{
			Name: "tf-2015", File: "inception-2015-12-05.tgz", URL: "https://storage.googleapis.com/download.tensorflow.org/models/image/imagenet/", Size: 88931400, License: apache,
			Flavor: inception.TF2015, Classes: 1008, Source: "tensorflow/models classify_image.py; no digest is published",
		},
		{
			Name: "pytorch-fid", File: "pt_inception-2015-12-05-6726825d.pth", URL: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/", License: apache,
			SHA256: "6726825d", Flavor: inception.PytorchFID, Classes: 1008, Source: "mseitzer/pytorch-fid src/pytorch_fid/inception.py",
		},
		{
			Name: "tf-slim", File: "inception_v3_2016_08_28_frozen.pb.tar.gz", URL: "https://storage.googleapis.com/download.tensorflow.org/models/", License: apache,
			Flavor: inception.TFSlim, Classes: 1001, Top1: 78.0, Top5: 93.9, Source: "tensorflow/models research/slim README (the checkpoint it was frozen from); no digest is published",
		},
		{
			Name: "timm-tf", File: "tf_inception_v3-e0069de4.pth", URL: timm, License: apache,
			SHA256: "e0069de4", Flavor: inception.Timm, Classes: 1001, Top1: 77.87, Top5: 93.65, Source: "timm models/inception_v3.py and its model page",
		},
		{
			Name: "timm-adv", File: "adv_inception_v3-9e27bd63.pth", URL: timm, License: apache,
			SHA256: "9e27bd63", Flavor: inception.Timm, Classes: 1001, Top1: 77.58, Top5: 93.74, Source: "timm models/inception_v3.py and its model page",
		},
		{
			Name: "timm-gluon", File: "gluon_inception_v3-9f746940.pth", URL: timm, License: apache,
			SHA256: "9f746940", Flavor: inception.Timm, Classes: 1000, Recipe: gluon, Top1: 78.8, Top5: 94.38, Source: "timm models/inception_v3.py and its model page",
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
