package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// modelTiles is what the tile unit's kernel does, in plain Go.
func modelTiles(a *tileUnit) {
	steps := unsafe.Slice(a.steps, a.nsteps)
	places := unsafe.Slice(a.dst, tilePixels*a.tiles)
	for k, w := range a.w {
		if a.groups[k] < 0 {
			continue
		}
		weights := unsafe.Slice(w, a.nsteps*tileBytes)
		scale := unsafe.Slice(a.scale, tileOutputs)[16*k:]
		shift := unsafe.Slice(a.shift, tileOutputs)[16*k:]
		for p, place := range places {
			if place < 0 {
				continue
			}
			out := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(a.out), a.groups[k]+int(place))), 16)
			for o := range out {
				sum := int32(0)
				for i, at := range steps {
					x := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(a.x), tileChannels*p+at)), tileChannels)
					for c, v := range x {
						sum += int32(v) * int32(weights[i*tileBytes+c/WordChannels*16*WordChannels+o*WordChannels+c%WordChannels])
					}
				}
				out[o] = toByte(float32(float32(sum)*scale[o]) + shift[o])
			}
		}
	}
}

// TestTilesModel holds what surrounds the tile unit's kernel to plain Go, byte for byte, with a model in
// the kernel's place, so that it is tested where there is no tile unit.
func TestTilesModel(t *testing.T) {
	for _, c := range byteCases() {
		for _, extreme := range []bool{false, true} {
			m := c.make(rand.New(rand.NewPCG(uint64(c.in), uint64(c.out))), extreme)
			if !m.spec.tilesDo() {
				continue
			}
			plain, err := NewByteConv(Ref, m.spec)
			if err != nil {
				t.Fatal(err)
			}
			made, err := NewByteConv(Set{level: levelAVX512, unit: unitTiles}, m.spec)
			if err != nil {
				t.Fatal(err)
			}
			tiles := made.(*tiled)
			tiles.run = modelTiles
			size := m.spec.Out.Off + m.spec.Out.Size()
			want, got := fill(size), fill(size)
			scratch := make([]float32, tiles.Scratch())
			for i := range scratch {
				scratch[i] = -1e30
			}
			for i := range plain.Parts() {
				plain.Run(i, want, m.input, nil)
			}
			for i := tiles.Parts() - 1; i >= 0; i-- {
				tiles.Run(i, got, m.input, scratch)
			}
			if !slices.Equal(octets(got), octets(want)) {
				t.Errorf("%v extreme=%v: the tiles' bytes are not those of plain Go", c, extreme)
			}
		}
	}
}
