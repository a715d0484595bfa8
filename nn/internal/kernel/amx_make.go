package kernel

// tilesDo reports whether the tile unit computes s.
func (s *ByteSpec) tilesDo() bool { return !s.Thin }

// tilesDo is the same of a convolution of bfloat16.
func (s *Spec) tilesDo() bool { return s.Pairs && !s.Planar }

// Together reports whether the set computes s side by side with others that differ in weights and outputs alone.
func (s *ByteSpec) Together(set Set) bool { return set.unit == unitTiles && s.tilesDo() }

// Together is the same of bfloat16.
func (s *Spec) Together(set Set) bool { return set.PairTiles() && s.tilesDo() }

// Apart reports whether the set computes s, of float32, by the tile unit, and others of the same input together
// with it: each number as three of bfloat16, which have all of its 24 bits, and all
// their products but those below 2^-24 of the whole. Sums are float32's. The weights take half as much memory
// again.
func (s *Spec) Apart(set Set) bool {
	return set.PairTiles() && !s.Pairs && !s.Planar && !s.Rounded && s.In.C%(2*PairBlock) == 0 &&
		s.Out.C%tileOutputs == 0 && s.Out.H*s.Out.W > 1
}

// NewApart prepares such convolutions, which differ in weights and outputs alone.
func NewApart(set Set, specs ...Spec) (Conv, error) {
	for i := range specs {
		if err := specs[i].validateDirect(set); err != nil {
			return nil, err
		}
		if !specs[i].Apart(set) {
			return nil, errTogether
		}
	}
	return newTiledFloats(specs), nil
}

// newTiledBytes prepares convolutions that differ in weights and outputs alone for the tile unit.
func newTiledBytes(specs []ByteSpec) *tiled {
	s := &specs[0]
	t := &tiled{name: "int8 tiles 32x32", in: s.In.Off, threads: s.Threads}
	t.order = newTileOrder(&Spec{In: s.In, Out: s.Out, KH: s.KH, KW: s.KW, StrideH: s.StrideH, StrideW: s.StrideW,
		PadTop: s.PadTop, PadLeft: s.PadLeft})
	for _, s := range specs {
		t.addOutputs(s.Out, len(s.Scale), ByteBlock)
	}
	t.layChannels(Blocks(s.In.C))
	t.layWeights((&Spec{Alloc: s.Alloc}).alloc)
	group, area := 0, s.KH*s.KW
	for _, s := range specs {
		copy(t.scale[2*tileOutputs*group:], s.Scale)
		copy(t.shift[2*tileOutputs*group:], s.Shift)
		for o := range s.Scale {
			row := s.Filter[o*s.Channels*area:][:s.Channels*area]
			t.pack(group, 0, o, func(of tileHalf, _, i int) (w [4]int8) {
				first := of.block*ByteBlock + i*WordChannels
				for k := range min(WordChannels, max(0, s.Channels-first)) {
					w[k] = row[(first+k)*area+of.tap]
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
	t := &tiled{name: "bfloat16 tiles 32x32", kind: tilesOfPairs}
	if s.Floats {
		t.name, t.kind = "bfloat16 tiles 32x32 of float32", tilesOfHalves
	}
	t.fine = s.Fine
	return t.ofSpecs(specs, PairBlock)
}

// newTiledFloats is the same of float32.
func newTiledFloats(specs []Spec) *tiled {
	t := &tiled{name: "tiles 32x32", kind: tilesOfFloats}
	return t.ofSpecs(specs, Block)
}

// part16 is the nearest bfloat16 to what is left of v after so many were taken off.
func part16(v float32, part int) uint16 {
	for range part {
		v -= roundBFloat16(v)
	}
	return BFloat16(v)
}

// ofSpecs prepares t; block is how many outputs a channel block has.
func (t *tiled) ofSpecs(specs []Spec, block int) *tiled {
	s := &specs[0]
	t.in, t.threads, t.order = s.In.Off, s.Threads, newTileOrder(s)
	for i := range specs {
		t.addOutputs(specs[i].Out, specs[i].outs(), block)
	}
	ins, area := s.ins(), s.KH*s.KW
	t.layChannels((ins + PairBlock - 1) / PairBlock)
	t.layWeights(s.alloc)
	group := 0
	for _, s := range specs {
		copy(t.shift[2*tileOutputs*group:], s.Bias)
		for o := range s.outs() {
			if !s.ReLU {
				t.scale[2*tileOutputs*group+o] = negInf
			}
			row := s.Filter[o*ins*area:][:ins*area]
			for part := range t.parts() {
				t.pack(group, part, o, func(of tileHalf, part, i int) (w [4]int8) {
					first := of.block*PairBlock + i*PairChannels
					for k := range min(PairChannels, max(0, ins-first)) {
						h := part16(row[(first+k)*area+of.tap], part)
						w[2*k], w[2*k+1] = int8(h), int8(h>>8)
					}
					return w
				})
			}
		}
		group += (s.outs() + 2*tileOutputs - 1) / (2 * tileOutputs)
	}
	return t
}
