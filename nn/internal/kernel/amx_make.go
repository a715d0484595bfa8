package kernel

// tilesDo reports whether the tile unit computes s.
func (s *ByteSpec) tilesDo() bool { return !s.Thin }

// tilesDo is the same of a convolution of bfloat16.
func (s *Spec) tilesDo() bool { return s.Pairs && !s.Planar }

// newTiledBytes prepares convolutions that differ in weights and outputs alone for the tile unit.
func newTiledBytes(specs []ByteSpec) *tiled {
	s := &specs[0]
	t := &tiled{name: "int8 tiles 32x32", in: s.In.Off, threads: s.Threads}
	t.order = newTileOrder(&Spec{In: s.In, Out: s.Out, KH: s.KH, KW: s.KW, StrideH: s.StrideH, StrideW: s.StrideW,
		PadTop: s.PadTop, PadLeft: s.PadLeft})
	for _, s := range specs {
		t.addOutputs(s.Out, len(s.Scale), ByteBlock)
	}
	t.layChannels(Blocks(s.In.C), false)
	t.layWeights((&Spec{Alloc: s.Alloc}).alloc)
	group, area := 0, s.KH*s.KW
	for _, s := range specs {
		copy(t.scale[2*tileOutputs*group:], s.Scale)
		copy(t.shift[2*tileOutputs*group:], s.Shift)
		for o := range s.Scale {
			row := s.Filter[o*s.Channels*area:][:s.Channels*area]
			t.pack(group, o, func(block, tap, i int) (w [4]int8) {
				first := block*ByteBlock + i*WordChannels
				for k := range min(WordChannels, max(0, s.Channels-first)) {
					w[k] = row[(first+k)*area+tap]
				}
				return w
			})
		}
		group += (len(s.Scale) + 2*tileOutputs - 1) / (2 * tileOutputs)
	}
	return t
}

// newTiledPairs is the same of bfloat16.
func newTiledPairs(specs []Spec) *tiled {
	s := &specs[0]
	t := &tiled{name: "bfloat16 tiles 32x32", in: s.In.Off, threads: s.Threads, pairs: true, split: s.Floats}
	blocks := Blocks(s.In.C)
	if s.Floats {
		t.name, blocks = "bfloat16 tiles 32x32 of float32", (s.In.C+PairBlock-1)/PairBlock
	}
	t.order = newTileOrder(s)
	for i := range specs {
		t.addOutputs(specs[i].Out, specs[i].outs(), PairBlock)
	}
	t.layChannels(blocks, s.Floats)
	t.layWeights(s.alloc)
	group, ins, area := 0, s.ins(), s.KH*s.KW
	for _, s := range specs {
		copy(t.shift[2*tileOutputs*group:], s.Bias)
		for o := range s.outs() {
			if !s.ReLU {
				t.scale[2*tileOutputs*group+o] = negInf
			}
			row := s.Filter[o*ins*area:][:ins*area]
			t.pack(group, o, func(block, tap, i int) (w [4]int8) {
				first := block*PairBlock + i*PairChannels
				for k := range min(PairChannels, max(0, ins-first)) {
					h := BFloat16(row[(first+k)*area+tap])
					w[2*k], w[2*k+1] = int8(h), int8(h>>8)
				}
				return w
			})
		}
		group += (s.outs() + 2*tileOutputs - 1) / (2 * tileOutputs)
	}
	return t
}
