package registry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/embedded"
)

// Resolve returns the weights that a reference names: "embedded", those in the binary; "random" or
// "random:WIDTH", made-up ones (seed 0, 1000 classes); the name of a pulled set; or the path of a
// file of any kind that package convert reads, a published one with its own recipe. A file that is
// called like one of the others is reached as ./NAME.
func (s Store) Resolve(ref string) (*inception.Weights, error) {
	switch kindOf(ref) {
	case refNone:
		return nil, errors.New("registry: no weights are named: give the path of a weight file, or random for " +
			"made-up weights")
	case refEmbedded:
		return embedded.Weights()
	case refRandom:
		return random(ref)
	case refSet:
		return s.pulled(ref)
	default:
		return convert.Load(ref, convert.Options{Official: Official})
	}
}

// Describe says what the weights are that a reference names, with the facts of their file where
// there is one.
func (s Store) Describe(ref string) (*convert.Info, error) {
	switch kindOf(ref) {
	case refFile:
		return convert.Describe(ref, convert.Options{Official: Official})
	case refSet:
		p, err := s.Lookup(ref)
		if err != nil {
			return nil, err
		}
		return convert.Describe(s.Path(p), convert.Options{})
	}
	w, err := s.Resolve(ref)
	if err != nil {
		return nil, err
	}
	info := convert.InfoOf(w)
	if ref == embedded.Name {
		f := embedded.Describe()
		info.Bytes, info.SHA256, info.Format = int64(f.Bytes), f.SHA256, "safetensors, gzipped" // there is no path
	}
	return info, nil
}

type refKind int

const (
	refFile refKind = iota
	refNone
	refEmbedded
	refRandom
	refSet
)

func kindOf(ref string) refKind {
	switch name, _, _ := strings.Cut(ref, ":"); {
	case ref == "":
		return refNone
	case ref == embedded.Name:
		return refEmbedded
	case name == "random":
		return refRandom
	}
	if _, err := Find(ref); err == nil {
		return refSet
	}
	return refFile
}

// random makes up the weights of "random" or "random:WIDTH".
func random(ref string) (*inception.Weights, error) {
	width := 1.0
	if _, arg, has := strings.Cut(ref, ":"); has {
		var err error
		if width, err = strconv.ParseFloat(arg, 64); err != nil || !(width > 0) {
			return nil, fmt.Errorf("registry: width %q of %q is not a positive number: write random:0.25, for example", arg, ref)
		}
	}
	return inception.Random(inception.RandomConfig{Width: width, Classes: 1000})
}

// pulled reads the weights of a pulled set.
func (s Store) pulled(name string) (*inception.Weights, error) {
	p, err := s.Lookup(name)
	if err != nil {
		return nil, err
	}
	w, err := inception.ReadWeights(s.Path(p))
	if err != nil {
		return nil, fmt.Errorf("registry: %s: %w (run rehead weights pull %s again)", name, err, name)
	}
	if w.Digest != p.Digest {
		return nil, fmt.Errorf("registry: %s: the stored weights are not those that were pulled: got digest %.12s, "+
			"want %.12s; pull it again", name, w.Digest, p.Digest)
	}
	return w, nil
}
