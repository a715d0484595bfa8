// Package layout has the offsets of the structs by which Go calls the assembly, the same on every
// processor. The structs are declared in nn/internal/kernel.
package layout

// tileArgs of a direct convolution.
const (
	TileX = 8 * iota
	TileW
	TileBias
	TileOut
	TileTaps
	TileNTaps
	TileSrc
	TileDst
	TileTiles
	TilePlane
	TileFlags
)

// FlagReLU is a bit of tileArgs.flags.
const FlagReLU = 1

// poolArgs; bytePoolArgs ends with the scale.
const (
	PoolX = 8 * iota
	PoolOut
	PoolTaps
	PoolNTaps
	PoolSrc
	PoolDst
	PoolPixels
	PoolScale
	PoolBias
	PoolFloor
)

// momentsArgs.
const (
	MomentsX = 8 * iota
	MomentsK
	MomentsOut
	MomentsRows
	MomentsColumns
	MomentsRow
)

// planeArgs.
const (
	PlaneX = 8 * iota
	PlaneCells
	PlaneSums
	PlaneOut
	PlaneRow
	PlaneRun
	PlaneN
	PlaneFourth
	PlaneStep
)

// cell, of which a plane has nine.
const (
	Cells   = 9
	CellTop = 8 * (iota - 1)
	CellLeft
	CellRows
	CellColumns
	CellSize
)

// winoLines.
const (
	MaxPoints = 12
	LinesIn   = 0
	LinesOut  = 8 * MaxPoints
)

// winoLines, behind its two tables of pointers.
const (
	LinesInStep = 16*MaxPoints + 8*iota
	LinesOutStep
	LinesInLine
	LinesOutLine
	LinesN
	LinesLines
	LinesCoef
	LinesBias
	LinesFloor
)

// winoProduct.
const (
	ProductA = 8 * iota
	ProductB
	ProductC
	ProductBlocks
	ProductAStep
	ProductCStep
	ProductGroups
	ProductAhead
	ProductFetch
)

// winoExpand.
const (
	ExpandIn = 8 * iota
	ExpandMatrix
	ExpandOut
	ExpandRows
	ExpandTaps
	ExpandStep
)

// byteTile.
const (
	ByteX = 8 * iota
	ByteW
	ByteScale
	ByteShift
	ByteOut
	ByteTaps
	ByteNTaps
	ByteSrc
	ByteDst
	ByteTiles
	ByteGroups // three of them
	_
	_
	ByteStart
)

// quantizeArgs.
const (
	QuantizeSrc = 8 * iota // three pointers
	_
	_
	QuantizeDst
	QuantizeGroups
	QuantizeScale
	QuantizeShift
)
