package convert

import (
	"encoding/json"
	"strings"

	"github.com/c236555e/rehead/inception"
)

// compiled is what a Keras model was trained with, as its file has it.
type compiled struct {
	Loss any `json:"loss"`
}

// trained takes for a Keras model without a last activation the one that its loss was told to put behind its
// logits: from_logits, as Keras's own guides on fine-tuning write it.
func (src *source) trained(text []byte) error {
	var c compiled
	if src.bareLinks == nil || json.Unmarshal(text, &c) != nil {
		return nil // what is not there, or not as Keras writes it, leaves the doubt
	}
	a := behind(c.Loss)
	if a == "" {
		return nil
	}
	src.doubts = append(src.doubts, "its last layer has no activation: "+string(a)+" is taken, which the loss that it "+
		"was trained with has behind it (from_logits)")
	return src.output(string(a))
}

// behind is the activation that a loss has behind the logits, "" where it has none or is not known. Of several losses,
// by output, there has to be one.
func behind(loss any) inception.Activation {
	switch l := loss.(type) {
	case []any:
		if len(l) == 1 {
			return behind(l[0])
		}
	case map[string]any:
		config, _ := l["config"].(map[string]any)
		class, isLoss := l["class_name"].(string)
		if !isLoss {
			for _, only := range l {
				if len(l) == 1 {
					return behind(only)
				}
			}
			return ""
		}
		class = class[strings.LastIndexByte(class, '>')+1:] // without the package that it is registered in
		switch {
		case config["from_logits"] != true:
		case class == "CategoricalCrossentropy" || class == "SparseCategoricalCrossentropy" ||
			class == "CategoricalFocalCrossentropy":
			return inception.Softmax
		case class == "BinaryCrossentropy" || class == "BinaryFocalCrossentropy":
			return inception.Sigmoid
		}
	}
	return ""
}
