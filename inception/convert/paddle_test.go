package convert

import (
	"bytes"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/paddle"
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

// TestPaddleProgram: what paddle.jit.save writes is named for what it is.
func TestPaddleProgram(t *testing.T) {
	for name, head := range map[string]string{
		"net.json":    `{"base_code":{"magic":"pir","trainable":true,"version":4},"program":{"regions":[]}}`,
		"net.pdmodel": "\x0a\xe2\x35\x08\x00\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x22\x0a\x12batch_norm2d_0.b_0",
		"net.pdiparams": strings.Repeat("\x00", 16) + "\x0a\x00\x00\x00\x08\x05\x10\x10\x10\x03\x10\x03\x10\x03" +
			strings.Repeat("\xfc\x26\x67\x3c", 16),
	} {
		_, err := Load(fixture.Write(t, name, []byte(head)), Options{})
		if err == nil || !strings.Contains(err.Error(), "paddle.save(net.state_dict()") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want the line that writes what is read", name, err)
		}
	}
	for name, head := range map[string]string{"a graph": "\x0a\x10\x0a\x05input\x12\x0bPlaceholder", "zeros": strings.Repeat("\x00", 64)} {
		if paddle.IsProgram([]byte(head)) {
			t.Errorf("%s is taken for a program of Paddle's", name)
		}
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

// TestMXNet: parameters of Gluon's network, as saved and as exported, answer as MXNet does. See
// testdata/mxnet1.py.
func TestMXNet(t *testing.T) {
	for _, name := range []string{"mxnet.params", "mxnet-export.params"} {
		m, err := OpenModel(fixture.File(t, name), Options{Size: fixtureSize, Mean: half(), Std: half()})
		if err != nil {
			t.Fatal(err)
		}
		if m.Flavor != inception.Torchvision {
			t.Errorf("flavour %s, want %s", m.Flavor, inception.Torchvision)
		}
		answersAs(t, m, "mxnet.json")
		w, err := Load(fixture.File(t, name), Options{})
		if err != nil || !strings.Contains(w.Notes["doubt"], "--mean") {
			t.Errorf("doubt %q, %v, want one about the scaling", w.Notes["doubt"], err)
		}
		b := bytes.Replace(fixture.Read(t, name), []byte("0_beta"), []byte("7_beta"), 1)
		b = bytes.Replace(b, []byte("features.0.1.beta"), []byte("features.0.1.alfa"), 1)
		if _, err := Load(fixture.Write(t, name, b), Options{}); err == nil || !strings.Contains(err.Error(), "gluon") {
			t.Errorf("%s with another name: got %v, want what is read", name, err)
		}
	}
}

// half is 127.5 for each colour.
func half() *[3]float32 { return &[3]float32{127.5, 127.5, 127.5} }
