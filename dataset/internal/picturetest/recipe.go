package picturetest

import (
	"github.com/c236555e/rehead/dataset/picture"
)

// Recipe is a small one that shows pixels as they are.
func Recipe(size int, filter string) picture.Recipe {
	return picture.Recipe{Size: size, Orient: true, Geometry: picture.Squash, Filter: filter, Std: [3]float32{1, 1, 1}}
}
