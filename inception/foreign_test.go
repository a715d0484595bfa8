package inception

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// foreign is a model whose head reads what only heads that were trained elsewhere do.
func foreign(t testing.TB, f *Features) *Model {
	t.Helper()
	m := small(t)
	m.Reads = f
	n := f.Length(m.Width)
	m.Head = Head{Classes: 3, Features: n, B: []float32{0.5, -1, 2}}
	for i := range 3 * n {
		m.Head.W = append(m.Head.W, float32(math.Sin(float64(i))))
	}
	m.SelfTest = nil
	if err := RecordSelfTest(t.Context(), m, nn.Config{}); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestForeignFeatures: the trunk gives the maximum, or all, of the last block; a model that reads it
// is kept and explained.
func TestForeignFeatures(t *testing.T) {
	for name, f := range map[string]*Features{"maximum": LastMaximum(), "cells": LastCells(107)} {
		t.Run(name, func(t *testing.T) {
			m := foreign(t, f)
			trunk, err := NewTrunkOf(m.Trunk, f, nn.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer trunk.Close()
			px := slices.Concat(drawn(trunk.Size(), 5), drawn(trunk.Size(), 6))
			got := make([]float32, 2*trunk.Features())
			if err := trunk.Embed(t.Context(), 2, px, got); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				alone, blocks, err := trunk.embedBlocks(t.Context(), px[i*len(px)/2:][:len(px)/2])
				row := got[i*len(got)/2:][:len(got)/2]
				if err != nil || !slices.Equal(alone, row) || !slices.Equal(row, definition(f, blocks[0], trunk.blocks[0])) {
					t.Errorf("picture %d: %v, or other values than the definition's", i, err)
				}
			}
			dir := filepath.Join(t.TempDir(), "model")
			mustSave(t, m, dir, SaveOptions{})
			back := mustOpen(t, dir)
			if !back.Reads.Equal(f) {
				t.Errorf("got %v, want %v", back.Reads, f)
			}
			c, err := NewClassifier(back, nn.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Check(t.Context()); err != nil {
				t.Error(err)
			}
			x, err := c.Explain(t.Context(), &Input{Data: sketch(t, 1, 4)}, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range x.Maps {
				if one.Gradient != (name == "maximum") {
					t.Errorf("%s: gradient is %v", one.Label, one.Gradient)
				}
				checkMean(t, one)
			}
		})
	}
}

// definition is what f reads of a block.
func definition(f *Features, block []float32, b tap) (out []float32) {
	n := b.side * b.side
	if f.Statistics[0] == Cells {
		for p := range n {
			for c := range b.channels {
				out = append(out, block[c*n+p])
			}
		}
		return out
	}
	for c := range b.channels {
		top := block[c*n]
		for _, v := range block[c*n : (c+1)*n] {
			top = max(top, v)
		}
		out = append(out, top)
	}
	return out
}

// TestForeignRefused: what does not fit is refused in words.
func TestForeignRefused(t *testing.T) {
	for want, f := range map[string]*Features{
		"alone":          {Blocks: []string{"Mixed_7c"}, Statistics: []Statistic{Mean, Cells}, Side: 2},
		"of Mixed_7c":    {Blocks: []string{"Mixed_7b"}, Statistics: []Statistic{Maximum}},
		"1 to ":          {Blocks: []string{"Mixed_7c"}, Statistics: []Statistic{Cells}},
		"0 else":         {Blocks: []string{"Mixed_7c"}, Statistics: []Statistic{Maximum}, Side: 8},
		"neither":        {Blocks: []string{"Mixed_7c"}, Statistics: []Statistic{Maximum}, Columns: []int{1}},
		"3 pixels a sid": {Blocks: []string{"Mixed_7c"}, Statistics: []Statistic{Cells}, Side: 3},
	} {
		m := foreign(t, LastMaximum())
		m.Reads = f
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want an error with %q", f, err, want)
		}
	}
	m := foreign(t, LastCells(107))
	m.Recipe = Resized(m.Recipe, 171)
	if _, err := NewClassifier(m, nn.Config{}); err == nil || !strings.Contains(fmt.Sprint(err), "pixels a side") {
		t.Errorf("another size: got %v", err)
	}
	if _, _, err := LastMaximum().Places(1); err == nil || !strings.Contains(err.Error(), "training") {
		t.Errorf("places in the cache: got %v", err)
	}
}
