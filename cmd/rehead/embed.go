package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/npy"
	"github.com/c236555e/rehead/internal/pictures"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train"
)

// embedOptions is the command line of `embed`.
type embedOptions struct {
	engine  engineFlags
	limits  limitFlags
	data    dataFlags
	weights string
	out     string
	cache   string
	batch   int
	reads   string
	asJSON  bool

	shards    string // folder, "" for an array
	shardRows int
}

func newEmbed(a *app) *cobra.Command {
	var o embedOptions
	cmd := &cobra.Command{
		Use:   "embed IMAGE|DIR|ARCHIVE|MANIFEST... (-o FILE | --shards DIR)",
		Short: "Write bottlenecks as a .npy array, or as shards to train on",
		Long: `Writes the bottlenecks of pictures as a float32 .npy array, a row a picture, in
the order of the arguments; a folder or an archive stands for the pictures in
it, a manifest for those that it names, sorted by path (those of a compressed
tar as they lie in it). The array has 2,048 columns with the full network and
1,024 with the small one. It uses the bottleneck cache.

features.csv, written beside features.npy, lists every picture: its row in the
array, counted from 0, its path, its label where a label folder or a manifest
says one, and for a picture that has no row the reason. The exit code is then 1.
Both files appear whole or not at all.

With --shards it writes float16 safetensors files of up to --shard-rows pictures
into a folder, each with its rows' labels, paths, given parts and digests, for
"rehead train --bottlenecks", which needs no memory for all of them. Pictures
without a row are listed in problems.csv there. Started again after a stop, it
keeps the shards that are whole.`,
		Example: `  rehead embed flower_photos --weights keras -o features.npy
  rehead embed flower_photos --features all -o features.npy
  rehead embed flower_photos --shards bottlenecks`,
		Args: needArgs(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (o.out == "") == (o.shards == ""):
				return usagef("embed: want either -o, the .npy file to write, or --shards, a folder for shards")
			case o.shardRows < 1 || o.shardRows > shards.MaxRows:
				return usagef("embed: --shard-rows: got %d, want 1 to %d", o.shardRows, shards.MaxRows)
			}
			return a.embed(cmd.Context(), args, &o)
		},
	}
	o.engine.add(cmd, a)
	o.engine.addPrecision(cmd, fmt.Sprintf("int8 calibrates on the first %d pictures", inception.CalibrationPictures))
	o.limits.add(cmd)
	o.data.addManifest(cmd, a)
	cmd.Flags().StringVar(&o.weights, "weights", defaultWeights, weightsHelp)
	cmd.Flags().StringVarP(&o.out, "output", "o", "", "the .npy file to write; its list ends in .csv")
	cmd.Flags().StringVar(&o.shards, "shards", "", "the folder to write shards to, in the place of -o")
	cmd.Flags().IntVar(&o.shardRows, "shard-rows", shards.DefaultRows,
		"pictures of a shard: what is held until it is written, and made again after a stop")
	cmd.Flags().BoolVar(&o.data.multiLabel, "multi-label", false, "pictures have any number of labels, even none")
	cmd.Flags().StringVar(&o.cache, "cache", "", "folder of the bottleneck cache, as for train")
	cmd.Flags().StringVar(&o.reads, "features", train.FeaturesLast,
		"what to write: last (the last block's averages, or maxima where the weights' own network takes "+
			"those), all (every block's), or a list of blocks and of mean, quarters, "+
			"deviation; block by block, statistic by statistic, unscaled")
	cmd.Flags().IntVar(&o.batch, "batch", 0, "maximum pictures per forward pass (0: chosen for this machine)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object when done")
	first(cmd, "output shards weights features json")
	return cmd
}

// embedSummary is what `embed --json` prints.
type embedSummary struct {
	Images   int    `json:"images"` // with a row
	Features int    `json:"features"`
	Output   string `json:"output"`

	Precision nn.Precision `json:"precision"`

	List    string `json:"list"`    // the CSV file
	Missing int    `json:"missing"` // pictures without a row
	Cached  int    `json:"cached"`  // rows that were in the cache
}

func (a *app) embed(ctx context.Context, args []string, o *embedOptions) (err error) {
	cfg, err := o.engine.config()
	if err != nil {
		return err
	}
	done := embedSummary{Output: o.out, List: listPath(o.out)}
	if o.shards == "" && strings.EqualFold(filepath.Ext(o.out), ".csv") {
		return usagef("embed: -o: got %s, want a .npy file: the list of its rows is the CSV file beside it", o.out)
	}
	reads, err := train.ParseFeatures(o.reads)
	if err != nil {
		return usagef("embed: --features: %v", err)
	}
	out, err := a.outsideOf(cmp.Or(o.out, o.shards))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	rows, problems, err := o.rows(args)
	if err != nil {
		return err
	}
	a.printProblems(problems)
	w, err := a.resolve(o.weights)
	if err != nil {
		return err
	}
	file := func(i int) source.File { return rows[i].File }
	if w, err = o.engine.calibrateOn(ctx, w, cfg, len(rows), file, o.limits.limits()); err != nil {
		return err
	}
	if reads == nil && w.Reads.Foreign() && w.Reads.Side == 0 {
		reads = w.Reads // what the file's own network ends in
	}
	done.Features, done.Precision = reads.Length(w.Width), w.Precision()
	embed := train.EmbedConfig{Batch: o.batch, Engine: cfg, Limits: o.limits.limits(), Reads: reads}
	if embed.CacheDir, err = a.cacheDir(o.cache); err != nil {
		return err
	}
	if o.shards != "" {
		e := &embedShards{app: a, embedOptions: o, cfg: embed, weights: w, rows: rows, multi: o.data.multiLabel}
		if err := e.run(ctx, problems); err != nil {
			return aboutFull(err, embed.CacheDir)
		}
		return errors.Join(e.say(a.stdout), e.failed.err())
	}
	failed := failures{what: "embedded"}
	done.Output, done.List = out.local, listPath(out.local)
	if err := a.writeBottlenecks(ctx, w, embed, rows, problems, &done, &failed); err != nil {
		return aboutFull(err, embed.CacheDir)
	}
	done.Output, done.List = o.out, listPath(o.out)
	if err := out.commit(ctx, ""); err != nil {
		return err
	}
	return a.sayEmbedded(o, &done, &failed)
}

// sayEmbedded says what was written.
func (a *app) sayEmbedded(o *embedOptions, done *embedSummary, failed *failures) error {
	if o.asJSON {
		return errors.Join(printJSON(a.stdout, done), failed.err())
	}
	a.sayWrapped("wrote %s: %d x %d float32, computed with %s, %d of them from the cache; its rows are "+
		"listed in %s", o.out,
		done.Images, done.Features, done.Precision, done.Cached, done.List)
	return failed.err()
}

// listPath is the list of the rows of an array.
func listPath(array string) string { return strings.TrimSuffix(array, ".npy") + ".csv" }

// writeBottlenecks writes the array and the list of its rows, each whole or not at all.
func (a *app) writeBottlenecks(ctx context.Context, weights *inception.Weights, cfg train.EmbedConfig,
	rows []pictures.Row, problems []source.Problem, done *embedSummary, failed *failures) (err error) {
	w, err := npy.Create(done.Output, done.Features)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	list, err := atomicfile.Create(done.List)
	if err != nil {
		return fmt.Errorf("write %s: %w", done.List, err)
	}
	defer func() { err = errors.Join(err, list.Discard()) }()
	buf := bufio.NewWriterSize(list, 1<<16)
	line := csvWriter(buf)
	if err := line([]string{"row", "path", "label", "error"}); err != nil {
		return err
	}
	bar := a.progress("computing features", "pictures", len(rows))
	defer bar.done()
	files := make([]source.File, len(rows))
	for i, r := range rows {
		files[i] = r.File
	}
	got, err := train.EmbedFiles(ctx, files, weights, cfg,
		func(i int, vec []float32, err error) error {
			bar.add(1)
			if err != nil {
				p := answer.Row{Image: rows[i].Path, Error: answer.OneLine(err)}
				failed.count(prediction{Row: p})
				return line([]string{"", p.Image, rows[i].Cell(), p.Error})
			}
			failed.count(prediction{})
			err = line([]string{strconv.Itoa(done.Images), rows[i].Path, rows[i].Cell(), ""})
			done.Images++
			return errors.Join(err, w.Append(vec))
		})
	if err != nil {
		return err
	}
	if done.Cached, done.Missing = got.Cached, failed.failed; done.Images == 0 {
		return fmt.Errorf("%w; nothing was written", failed.err())
	}
	for _, p := range problems {
		if err := line([]string{"", p.Path, "", p.Reason}); err != nil {
			return err
		}
	}
	if err := errors.Join(buf.Flush(), list.Commit()); err != nil {
		return fmt.Errorf("write %s: %w", done.List, err)
	}
	return w.Commit()
}

// rows expands the arguments; files that are no pictures are returned as problems.
func (o *embedOptions) rows(args []string) (rows []pictures.Row, problems []source.Problem, err error) {
	open := func(store source.Store, root string) (*dataset.Folder, error) {
		return o.data.openStore(store, root, 1)
	}
	for _, arg := range args {
		store, root, err := o.data.addresses.Open(arg)
		if err != nil {
			return nil, nil, err
		}
		found, err := pictures.In(store, root, open)
		if err != nil {
			return nil, nil, err
		}
		rows, problems = append(rows, found.Rows...), append(problems, found.Left...)
	}
	return rows, problems, nil
}

// calibrateOn returns w in the precision that is asked for; int8 takes its ranges from the first of
// the n pictures.
func (e *engineFlags) calibrateOn(ctx context.Context, w *inception.Weights, cfg nn.Config, n int,
	file func(i int) source.File, lim picture.Limits) (*inception.Weights, error) {
	return e.inPrecision(ctx, w, cfg, min(n, inception.CalibrationPictures),
		func(i int, pixels []float32) error {
			data, err := file(i).Read(lim)
			if err == nil {
				_, err = w.Recipe.Load(data, lim, pixels)
			}
			return err
		})
}

// addFeatures adds the flag that names what a trunk gives.
func addFeatures(cmd *cobra.Command, reads *string, what string) {
	cmd.Flags().StringVar(reads, "features", train.FeaturesLast, what+
		": last (the last block's averages), all (every block's), or a list of blocks and of mean, quarters, deviation; "+
		"block by block, statistic by statistic, unscaled")
}
