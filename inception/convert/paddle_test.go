package convert

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
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

// TestPaddleOld: what is not read of paddle.jit.save's files is named for what it is.
func TestPaddleOld(t *testing.T) {
	for name, head := range map[string]string{
		"net.pdmodel": "\x0a\xe2\x35\x08\x00\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x22\x0a\x12batch_norm2d_0.b_0",
		"net.pdiparams": strings.Repeat("\x00", 16) + "\x0a\x00\x00\x00\x08\x05\x10\x10\x10\x03\x10\x03\x10\x03" +
			strings.Repeat("\xfc\x26\x67\x3c", 16),
	} {
		_, err := Load(fixture.Write(t, name, []byte(head)), Options{})
		if err == nil || !strings.Contains(err.Error(), "paddle.save(net.state_dict()") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want the line that writes what is read", name, err)
		}
	}
	for name, head := range map[string]string{"a graph": "\x0a\x10\x0a\x05input\x12\x0bPlaceholder",
		"zeros": strings.Repeat("\x00", 64)} {
		if paddle.IsOld([]byte(head)) {
			t.Errorf("%s is taken for a program of Paddle's", name)
		}
	}
}

// TestPaddleProgram: a program and its values, named by either, answer as Paddle does, scaling and softmax included.
// See testdata/paddle3.py.
func TestPaddleProgram(t *testing.T) {
	const program, values = "paddle-program.json", "paddle-program.pdiparams"
	dir := fixture.Files(t, program, values)
	for _, name := range []string{program, values} {
		m, err := OpenModel(filepath.Join(dir, name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Recipe; m.Flavor != inception.Torchvision || r.Size != fixtureSize || r.Mean != *half() || r.Std != *half() {
			t.Errorf("flavour %s, recipe %+v", m.Flavor, r)
		}
		answersAs(t, m, "paddle.json")
	}
	info, err := Describe(filepath.Join(dir, program), Options{})
	if err != nil || info.Notes["doubt"] != "the bottleneck is 0.8 of the average, as Paddle's classifier reads it" ||
		info.Ignored != 0 {
		t.Errorf("got %+v, %v, want one doubt and no tensor that is not used", info, err)
	}
}

// TestPaddleProgramRefused: what is damaged, in training or another's is refused in words.
func TestPaddleProgramRefused(t *testing.T) {
	const program, values = "paddle-program.json", "paddle-program.pdiparams"
	text, b := fixture.Read(t, program), fixture.Read(t, values)
	for want, c := range map[string]struct {
		from, to string
		values   []byte
	}{
		"is damaged":                   {`"program"`, `program`, b},
		"bytes follow the last":        {"", "", append(slices.Clone(b), 0)},
		"the file is truncated":        {"", "", b[:len(b)-1]},
		"no tensor begins there":       {"", "", append([]byte{1}, b[1:]...)},
		"belong to different networks": {`[16,3,3,3]`, `[16,3,3,4]`, b},
		"call net.eval()": {`{"#":"1.dropout","A":[{"AT":{"#":"0.a_bool","D":true}`,
			`{"#":"1.dropout","A":[{"AT":{"#":"0.a_bool","D":false}`, b},
		"its layout is NHWC":              {`{"#":"0.a_str","D":"NCHW"}`, `{"#":"0.a_str","D":"NHWC"}`, b},
		"belongs beside this one":         {"", "", nil},
		"has no name or no number of its": {`create_parameter_471.w_0`, `create_parameter_470.w_0`, b},
	} {
		now := bytes.Replace(text, []byte(c.from), []byte(c.to), 1)
		if c.from != "" && bytes.Equal(now, text) {
			t.Errorf("%s: %q is not in the fixture", want, c.from)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "net.json")
		err := os.WriteFile(path, now, 0o600)
		if c.values != nil && err == nil {
			err = os.WriteFile(filepath.Join(dir, "net.pdiparams"), c.values, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
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
