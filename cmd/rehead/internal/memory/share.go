package memory

// Shares are the bounds of a server that follow from its memory.
type Shares struct {
	Held, Decode, Models int64 // bytes of requests' bodies, of pictures being decoded, of models
	Pixels               int64 // of one picture
}

// Bounds that more memory does not raise, and less does not lower.
const (
	mostHeld, leastHeld     = 512 << 20, 64 << 20
	mostDecode, leastDecode = 1 << 30, 96 << 20
	decodeBytesPerPixel     = 12 // what package serve reckons with
)

// Share shares memory out: an eighth for bodies, a quarter for decoders, and no picture that
// would need more than that quarter by itself; of a multi-model server's two thirds for models, the
// rest is what the others leave. Nothing is bounded where the memory is unknown (0).
func Share(memory, maxPixels int64) Shares {
	if memory <= 0 {
		return Shares{Pixels: maxPixels}
	}
	c := Shares{
		Held:   min(max(memory/8, leastHeld), mostHeld),
		Decode: min(max(memory/4, leastDecode), mostDecode),
		Models: memory / 3 * 2,
	}
	c.Pixels = min(maxPixels, c.Decode/decodeBytesPerPixel)
	return c
}
