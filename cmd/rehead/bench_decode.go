package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/cmd/rehead/internal/benchmark"
	"github.com/c236555e/rehead/inception"
)

func newBenchDecode(a *app) *cobra.Command {
	var (
		limits limitFlags
		flavor string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "decode IMAGE|DIR|ARCHIVE|LIST...",
		Short: "Time decoding and resizing of pictures on one core",
		Long: `Times decoding and resizing of pictures on one core, each picture once: files,
folders and archives of them, and lists (.txt, a path on each line).`,
		Example: `  rehead bench decode flower_photos`,
		Args:    needArgs(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := inception.ParseFlavor(flavor)
			if err != nil {
				return usagef("--flavor: %w", err)
			}
			files, problems, err := a.listPictures(cmd.Context(), args)
			if err != nil {
				return err
			}
			a.printProblems(problems)
			r, err := benchmark.Decode(cmd.Context(), files, f.Recipe(), limits.limits())
			if err != nil {
				return err
			}
			for i, p := range r.Problems {
				r.Problems[i] = oneLine(errors.New(p))
			}
			if asJSON {
				return printJSON(a.stdout, r)
			}
			a.sayWrapped("%.2f ms an image (decode %.2f, %s resize %.2f; medians of %d pictures of %.2f megapixels, "+
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
