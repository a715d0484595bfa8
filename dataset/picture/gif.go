package picture

import (
	"bytes"
	"context"
	"image"
	"image/draw"
	"image/gif"
)

// decodeGIF decodes the first frame and, where it is smaller than the canvas, lays it on a
// transparent one.
func decodeGIF(ctx context.Context, data []byte) (image.Image, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	frame, err := gif.Decode(&reader{ctx, bytes.NewReader(data)})
	if err != nil {
		return nil, err
	}
	canvas := image.Rect(0, 0, config.Width, config.Height)
	if frame.Bounds() == canvas {
		return frame, nil
	}
	out := image.NewNRGBA(canvas)
	draw.Draw(out, frame.Bounds(), frame, frame.Bounds().Min, draw.Src)
	return out, nil
}
