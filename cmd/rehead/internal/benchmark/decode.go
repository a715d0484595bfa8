package benchmark

import (
	"context"
	"fmt"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/memory"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// DecodeReport is what `bench decode --json` prints.
type DecodeReport struct {
	MsPerImage      Spread   `json:"ms_per_image"` // decode and resize together
	Decode          Spread   `json:"decode_ms"`
	Resize          Spread   `json:"resize_ms"`
	ImagesPerSecond float64  `json:"images_per_second"`
	Images          int      `json:"images"`
	Megapixels      float64  `json:"megapixels_mean"`
	Threads         int      `json:"threads"`
	Filter          string   `json:"filter"`
	Problems        []string `json:"problems"`
	RSSMB           float64  `json:"rss_mb"`
}

// Decode runs each picture through the recipe on one core.
func Decode(ctx context.Context, files []source.File, recipe picture.Recipe,
	lim picture.Limits) (*DecodeReport, error) {
	r := &DecodeReport{Threads: 1, Filter: recipe.Filter, Problems: []string{}}
	dst := make([]float32, 3*recipe.Size*recipe.Size)
	ms := func(from, to time.Time) float64 { return float64(to.Sub(from).Nanoseconds()) / 1e6 }
	var total, decode, resize []float64
	pixels := 0
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := f.Read(lim)
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
			continue
		}
		start := time.Now()
		img, info, err := picture.Decode(data, lim)
		decoded := time.Now()
		if err == nil {
			err = recipe.Apply(img, info.Orientation, dst)
		}
		done := time.Now()
		if err != nil {
			r.Problems = append(r.Problems, f.Path+": "+err.Error())
			continue
		}
		pixels += info.Width * info.Height
		decode, resize, total = append(decode, ms(start, decoded)), append(resize, ms(decoded, done)),
			append(total, ms(start, done))
	}
	if len(total) == 0 {
		return nil, fmt.Errorf("bench decode: none of %d pictures could be read: %s", len(files), r.Problems[0])
	}
	r.Images = len(total)
	r.Megapixels = float64(pixels) / 1e6 / float64(r.Images)
	r.MsPerImage, r.Decode, r.Resize = newSpread(total), newSpread(decode), newSpread(resize)
	r.ImagesPerSecond = r.MsPerImage.perSecond()
	r.RSSMB = memory.Peak()
	return r, nil
}
