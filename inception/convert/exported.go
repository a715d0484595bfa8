package convert

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/strictjson"
)

// exported takes what rehead's own export says in a file's metadata: recipe, flavour (where it has this
// structure) and, unless it is the trunk alone, labels and the activation that weights alone lack.
func (src *source) exported(said func(key string) string) error {
	if !strings.HasPrefix(said("tool"), "rehead") {
		return nil
	}
	var r picture.Recipe
	if err := strictjson.Unmarshal([]byte(said("recipe")), &r); err != nil {
		return fmt.Errorf("its metadata's recipe: %w", err)
	}
	if text := said("labels"); text != "" {
		if err := strictjson.Unmarshal([]byte(text), &src.labels); err != nil {
			return fmt.Errorf("its metadata's labels: %w", err)
		}
	}
	src.recipe, src.own, src.open = &r, true, undecided{}
	if f, err := inception.ParseFlavor(said("flavor")); err == nil && f.CountBorder() == src.flavor.CountBorder() &&
		f.MaxIn7c() == src.flavor.MaxIn7c() {
		src.flavor, src.reason = f, "rehead's own export says so"
	}
	if src.fc != nil && said("activation") == string(inception.Sigmoid) {
		src.links, src.activation, src.fc = []link{{kind: inception.LayerDense, dense: src.fc}}, inception.Sigmoid, nil
	}
	return r.Validate()
}
