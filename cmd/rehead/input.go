package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
)

// inputFlags say how pictures become the network's input, where it is not as the trunk's authors
// do. The model stores it.
type inputFlags struct{ resize string }

func (o *inputFlags) add(cmd *cobra.Command) {
	var names []string
	for _, way := range picture.Resizes() {
		names = append(names, way.Name)
	}
	cmd.Flags().StringVar(&o.resize, "resize", "",
		"resize pictures as another tool does, stored in the model (default: as the trunk's authors do): "+
			strings.Join(names, ", "))
}

// apply returns the weights with the recipe that was asked for.
func (o *inputFlags) apply(w *inception.Weights) (*inception.Weights, error) {
	if o.resize == "" {
		return w, nil
	}
	recipe, err := w.Recipe.WithResize(o.resize)
	if err != nil {
		return nil, err
	}
	return w.WithRecipe(recipe), nil
}
