package convert

import (
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// TestPools: heads that read the maxima of the last block, or all of it, answer as Keras does, with and
// without the model's own description. See testdata/pools.py.
func TestPools(t *testing.T) {
	for name, reads := range map[string]string{"peak": "maximum of Mixed_7c", "cells": "cells of Mixed_7c"} {
		m, err := OpenModel(fixture.File(t, name+".keras"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Reads.String(); got != reads {
			t.Errorf("%s: the head reads the %s, want the %s", name, got, reads)
		}
		answersAs(t, m, name+".json")
	}
}

// TestPaddle: a state dict of Paddle's network answers as Paddle does. See testdata/paddle3.py.
func TestPaddle(t *testing.T) {
	path := fixture.File(t, "paddle.pdparams")
	m, err := OpenModel(path, Options{Size: fixtureSize})
	if err != nil {
		t.Fatal(err)
	}
	if m.Flavor != inception.Torchvision {
		t.Errorf("flavour %s, want %s", m.Flavor, inception.Torchvision)
	}
	answersAs(t, m, "paddle.json")
	w, err := Load(path, Options{})
	if err != nil || !strings.Contains(w.Notes["doubt"], "--mean") || !strings.Contains(w.Notes["doubt"], "0.8") {
		t.Errorf("doubt %q, %v, want one about the scaling and the factor", w.Notes["doubt"], err)
	}
	b := fixture.Read(t, "paddle.pdparams")
	for _, n := range []int{3, 11, len(b) / 2, len(b) - 1} {
		if _, err := Load(fixture.Write(t, "cut", b[:n]), Options{}); err == nil {
			t.Errorf("cut to %d bytes: want an error", n)
		}
	}
}
