package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
)

// inputFlags say how pictures become the network's input, where it is not as the trunk's authors
// do. The model stores it.
type inputFlags struct {
	resize, color string
	stretch       bool
}

func (o *inputFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.resize, "resize", "",
		"resize pictures as another tool does, stored in the model (default: as the trunk's authors do): "+
			strings.Join(resizes(), ", "))
	cmd.Flags().StringVar(&o.color, "color", "",
		"managed: convert pictures with a matrix-shaped RGB profile (Display P3, Adobe RGB) to sRGB, stored in the model "+
			"(default: colours as they are stored)")
	cmd.Flags().BoolVar(&o.stretch, "stretch", false,
		"give pictures of 16 bits a sample their whole range: the largest value of each becomes white; stored in the model")
}

// apply returns the weights with the recipe that was asked for.
func (o *inputFlags) apply(w *inception.Weights) (*inception.Weights, error) {
	recipe := w.Recipe
	if o.resize != "" {
		if err := oneOf("resize", o.resize, resizes()...); err != nil {
			return nil, err
		}
		var err error
		if recipe, err = recipe.WithResize(o.resize); err != nil {
			return nil, err
		}
	}
	if o.color != "" {
		if err := oneOf("color", o.color, picture.Managed); err != nil {
			return nil, err
		}
	}
	if o.color != "" {
		recipe.Color = o.color
	}
	recipe.Stretch = recipe.Stretch || o.stretch
	return w.WithRecipe(recipe), recipe.Validate()
}

// resizes are the values of --resize.
func resizes() (names []string) {
	for _, way := range picture.Resizes() {
		names = append(names, way.Name)
	}
	return names
}
