package kernels

// What solving for a head takes, in exact float32; its logits are a Conv of one pixel.

// Residual makes logits U [N,LD] what is to be summed over the rows: in D [N,LD] weight times
// probability minus target, and in column K the row's weighted cross entropy. With Curvature it makes
// them the probabilities times the root of the weight. Columns behind are 0.
type Residual struct {
	U, Bias, Label, Weight, D uint64 // Bias [K] and Weight [N] of float32, Label [N] of int32
	N, K, LD, Curvature       int32
	On, Off                   float32 // targets of the label and of all others
}

// Launch is the step.
func (r Residual) Launch() Launch {
	return Launch{"residual", [2]int{(int(r.N) + 3) / 4, 1}, block, encode(r)}
}

// Columns sums the columns of D [N,LD] over chunks of so many Rows: Y [chunks,2,LD], each chunk's
// sums and then what those lost.
type Columns struct {
	D, Y           uint64
	N, LD, Rows, _ int32
}

// Launch is the step.
func (c Columns) Launch() Launch { return each("columns", int((c.N+c.Rows-1)/c.Rows*c.LD), c) }

// Gradient is the product of the transpose of D [N,LDD], of which K columns count, and X [N,LDX], a
// chunk of so many Rows at a time: Y [chunks,K,LDX], from chunk First on. LDD and LDX are multiples of
// Lanes.
type Gradient struct {
	D, X, Y                     uint64
	N, K, LDD, LDX, Rows, First int32
}

// GradientTiles lists the shapes of a gradient's blocks.
func GradientTiles() []Tile { return []Tile{{"gradient64", 64, 128}, {"gradient128", 128, 256}} }

// Choose picks the large tile where K fills most of it.
func (g Gradient) Choose() Tile { return GradientTiles()[min(1, int(g.K)/96)] }

// Launch is the product of so many chunks by one of the tiles.
func (g Gradient) Launch(t Tile, chunks int) Launch {
	up := func(n int32) int { return (int(n) + t.Side - 1) / t.Side }
	return Launch{t.Kernel, [2]int{up(g.K) * up(g.LDX), chunks}, t.Threads, encode(g)}
}

// Fold adds X [Chunks,N], one chunk after the other, to Y [2,N], sums and then what they lost; with
// First, Y is not read.
type Fold struct {
	X, Y                uint64
	N, Chunks, First, _ int32
}

// Launch is the step.
func (f Fold) Launch() Launch { return each("fold", int(f.N), f) }
