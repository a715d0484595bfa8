package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
)

// decodeReport is what `bench decode --json` prints.
type decodeReport struct {
	MsPerImage      spread   `json:"ms_per_image"` // decode and resize together
	Decode          spread   `json:"decode_ms"`
	Resize          spread   `json:"resize_ms"`
	ImagesPerSecond float64  `json:"images_per_second"`
	Images          int      `json:"images"`
	Megapixels      float64  `json:"megapixels_mean"`
	Threads         int      `json:"threads"`
	Filter          string   `json:"filter"`
	Problems        []string `json:"problems"`
	RSSMB           float64  `json:"rss_mb"`
}

func newBenchDecode(a *app) *cobra.Command {
	var (
		limits limitFlags
		flavor string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:     "decode IMAGE|DIR...",
		Short:   "Time decoding and resizing of pictures on one core",
		Long:    `Times decoding and resizing of pictures on one core, each picture once.`,
		Example: `  rehead bench decode flower_photos`,
		Args:    needArgs(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := inception.ParseFlavor(flavor)
			if err != nil {
				return usagef("--flavor: %w", err)
			}
			paths, problems, err := listPictures(args)
			if err != nil {
				return err
			}
			a.printProblems(problems)
			r, err := timeDecode(cmd.Context(), paths, f.Recipe(), limits.limits())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, r)
			}
			a.say("%.2f ms an image (decode %.2f, %s resize %.2f; medians of %d pictures of %.2f megapixels, "+
				"one core), %d unreadable",
				r.MsPerImage.Median, r.Decode.Median, r.Filter, r.Resize.Median, r.Images, r.Megapixels, len(r.Problems))
			return nil
		},
	}
	limits.add(cmd)
	cmd.Flags().StringVar(&flavor, "flavor", string(inception.TF2015), "the flavour whose recipe is timed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// timeDecode runs each picture through the recipe once to warm up the disk's cache, and once to
// measure.
func timeDecode(ctx context.Context, paths []string, recipe picture.Recipe, lim picture.Limits) (*decodeReport, error) {
	r := &decodeReport{Threads: 1, Filter: recipe.Filter, Problems: []string{}}
	dst := make([]float32, 3*recipe.Size*recipe.Size)
	ms := func(from, to time.Time) float64 { return float64(to.Sub(from).Nanoseconds()) / 1e6 }
	var total, decode, resize []float64
	pixels := 0
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := source.Read(path, lim)
		if err != nil {
			r.Problems = append(r.Problems, oneLine(err))
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
			r.Problems = append(r.Problems, oneLine(fmt.Errorf("%s: %w", path, err)))
			continue
		}
		pixels += info.Width * info.Height
		decode, resize, total = append(decode, ms(start, decoded)), append(resize, ms(decoded, done)),
			append(total, ms(start, done))
	}
	if len(total) == 0 {
		return nil, fmt.Errorf("bench decode: none of %d pictures could be read: %s", len(paths), r.Problems[0])
	}
	r.Images = len(total)
	r.Megapixels = float64(pixels) / 1e6 / float64(r.Images)
	r.MsPerImage, r.Decode, r.Resize = newSpread(total), newSpread(decode), newSpread(resize)
	r.ImagesPerSecond = r.MsPerImage.perSecond()
	r.RSSMB = peakRSS()
	return r, nil
}
