package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/cmd/rehead/internal/memory"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/inception/registry"
)

const (
	defaultWeights = embedded.Name
	weightsHelp    = `trunk weights REF: "embedded" (in this binary), "random[:WIDTH]", the name of a pulled set, ` +
		`or a weight file`
)

// modelPrecision is the help of --precision where a model decides it.
const modelPrecision = "another than the model was trained with takes its place, with a note; int8 wants training"

// model opens a MODEL argument, with the trunk from --weights where the model was saved without its
// own.
func (e *engineFlags) model(path string) (*inception.Model, error) {
	m, err := e.openModel(path)
	if err != nil {
		return nil, err
	}
	if e.views > 0 {
		m.Views = e.views
	}
	if err := attachTrunk(m, e.trunk, e.resolve); err != nil || e.precision == "" {
		return m, err
	}
	p, err := e.asked()
	if err != nil || p == m.Precision() {
		return m, err
	}
	other, err := m.Computing(p)
	if err != nil {
		return nil, fmt.Errorf("%s: --precision %s: %w", path, p, err)
	}
	e.note("%s was trained on bottlenecks of %s and computes with %s now: its stored metrics are those of %s", path,
		m.Precision(), p, m.Precision())
	return other, nil
}

// attachTrunk gives a model that was saved without its trunk the one that ref names; "" names none.
func attachTrunk(m *inception.Model, ref string, resolve func(ref string) (*inception.Weights, error)) error {
	if ref == "" {
		return nil
	}
	w, err := resolve(ref)
	if err != nil {
		return err
	}
	return m.AttachTrunk(w)
}

// openModel opens a model folder, its archive, or any weight file with a classifier, here or in a
// bucket.
func (a *app) openModel(path string) (m *inception.Model, err error) {
	local, done, err := a.here(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return convert.OpenModel(local, convert.Options{Official: registry.Official})
}

// addTrunk adds --weights to commands that open a MODEL.
func (e *engineFlags) addTrunk(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.trunk, "weights", "",
		"trunk of a model that was saved without one (--no-trunk): a weight file or REF")
}

// classifier opens a model and compiles its network.
func (e *engineFlags) classifier(path string) (*inception.Classifier, error) {
	cfg, err := e.config()
	if err != nil {
		return nil, err
	}
	model, err := e.model(path)
	if err != nil {
		return nil, err
	}
	c, err := inception.NewClassifier(model, cfg)
	memory.Collect() // the weights as they were read: they are packed now
	return c, err
}

// addViews adds --views to commands that answer for pictures.
func (e *engineFlags) addViews(cmd *cobra.Command) {
	cmd.Flags().IntVar(&e.views, "views", 0, fmt.Sprintf(
		"answer with the mean over so many views of a picture, each a forward pass: it, its mirror image, then parts of it, "+
			"each and mirrored; 1: the picture alone, at most %d, 0: as the model says", picture.MaxViews))
}

// store is where pulled weights are kept: below REHEAD_CACHE, or rehead in the user's cache folder.
func (a *app) store() (registry.Store, error) {
	dir, err := a.cacheRoot()
	if err != nil {
		return registry.Store{}, err
	}
	return registry.Store{Dir: filepath.Join(dir, "weights")}, nil
}

// resolve returns the weights that a REF names: those in the binary, those of a pulled set, made-up
// ones, or a file's.
func (a *app) resolve(ref string) (w *inception.Weights, err error) {
	store, _ := a.store() // without a cache folder nothing was pulled, and Resolve says so
	local, done, err := a.here(ref)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return store.Resolve(local)
}
