package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/wrongfield"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
	"github.com/c236555e/rehead/train/report"
)

// EvaluateConfig sets an evaluation; the zero value measures all pictures.
type EvaluateConfig struct {
	// "" or "all": every picture; "train", "validation", "test": the pictures that were that part
	// of the model's training, or, where it does not remember them, that part by its split rule
	Part string
	EmbedConfig
}

// Validate names the first field that is wrong.
func (c EvaluateConfig) Validate() error {
	switch c.Part {
	case "", "all", "train", "validation", "test":
	default:
		return wrongfield.Errorf("train: config", "Part", "got %q, want all, train, validation or test", c.Part)
	}
	return c.EmbedConfig.Validate()
}

// Evaluation is what Evaluate found. It marshals as its Metrics.
type Evaluation struct {
	metrics.Metrics
	Pictures []metrics.Picture // one for each picture measured, in the folder's order
	Problems []source.Problem  // files left out, and why
	Embedded int               // pictures that went through the trunk
	Cached   int               // pictures whose bottleneck was there already

	report report.Input // what Report shows besides
}

// Evaluate measures a model on a folder of labelled pictures, which it leaves as it is. Labels are
// matched by name; a label that the model does not know is an error that names it, a label of the
// model that the folder lacks is none.
//
// A model that gives a picture any number of labels is measured on sets of labels, one label a
// picture being a set of one.
//
// The model remembers which pictures it was made with, by their bytes: see Metrics.Recalled. Parts
// are measured where all pictures are those of the training. Where the model cannot tell, parts are
// those of its split rule applied to this folder: the held-out pictures of the training run when it
// is the same folder (moved or renamed as it may be), meaningless when it is another.
func Evaluate(ctx context.Context, m *inception.Model, folder *dataset.Folder,
	cfg EvaluateConfig) (_ *Evaluation, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if folder, err = measurable(m, folder); err != nil {
		return nil, err
	}
	index, err := matchLabels(m.Labels, folder)
	if err != nil {
		return nil, err
	}
	trunk := *m.Trunk
	trunk.Recipe = m.Recipe
	e := newEmbedder(cfg.EmbedConfig, &trunk, len(folder.Items), map[Phase]float64{})
	defer func() { err = errors.Join(err, e.close()) }()
	if m.Reads != nil && !m.Reads.Foreign() {
		e.deep = &deep{}
		defer func() { err = errors.Join(err, e.deep.close()) }()
	}
	got, bad, items, err := e.partOf(ctx, m, folder, cfg.Part)
	if err != nil {
		return nil, err
	}
	if err := e.run(ctx, items, got, bad); err != nil {
		return nil, err
	}
	all := len(items)
	items, rows := got.dropBad(items)
	if len(items) == 0 {
		return nil, fmt.Errorf("train: evaluate: folder %s: none of %d pictures can be read", folder.Root, all)
	}
	if e.deep != nil {
		if rows, err = e.deep.read(ctx, m.Reads, got.goodSums(), cfg.Engine.Threads); err != nil {
			return nil, err
		}
	}
	relabel(items, index, folder.MultiLabel)
	said := metrics.Predictions{Items: items, Labels: m.Labels, Temperature: cmp.Or(m.Temperature, 1),
		Part: partName(cfg.Part), MultiLabel: folder.MultiLabel, Thresholds: m.Thresholds,
		Evaluation: true, Strange: memoryOf(m.Pictures).strange(got.goodSums())}
	p := newMeter(PhaseMeasure, len(items), cfg.Progress, e.seconds)
	if said.Logits, err = e.logits(ctx, m, items, rows, got.goodSums()); err != nil {
		return nil, fmt.Errorf("train: measure: %w", err)
	}
	if m.Views > 1 {
		if err := e.addViews(ctx, m, items, got, said.Logits); err != nil {
			return nil, err
		}
	}
	out := &Evaluation{Embedded: got.done, Cached: got.cached}
	out.Metrics, out.Pictures = said.Measure()
	p.end()
	out.Quarantined, out.Duplicates = all-len(items), got.duplicates()
	out.Problems = slices.Concat(folder.Problems, got.problems)
	out.report = report.Input{Predictions: said, Sums: got.goodSums(), Rows: rows, Model: m, Root: folder.Root,
		Run: report.Run{Data: dataName(folder.Root), Date: cfg.Date}, Engine: cfg.Engine, Limits: cfg.Limits}
	return out, nil
}

// relabel gives items the model's labels for their folder's.
func relabel(items []dataset.Item, index []int, several bool) {
	for i := range items {
		it := &items[i]
		it.Label = index[it.Label]
		if several {
			it.Labels = mapped(it.Labels, index)
		}
	}
}

// logits returns what the head says of pictures with these bottlenecks, or what else the head reads.
// What it reads of the last block itself is kept nowhere, so that such pictures take another pass.
func (e *embedder) logits(ctx context.Context, m *inception.Model, items []dataset.Item, rows [][]float32,
	sums [][sha256.Size]byte) ([]float64, error) {
	if !m.Reads.Foreign() {
		return head.Logits(ctx, m.Head, rows, e.Engine.Threads)
	}
	trunk, err := inception.NewTrunkOf(e.weights, m.Reads, e.Engine)
	if err != nil {
		return nil, err
	}
	k := m.Head.Classes
	out := make([]float64, len(items)*k)
	err = trunk.EmbedAll(ctx, len(items), func(i int) ([]byte, error) {
		data, err := items[i].File().Read(e.Limits)
		if err == nil && sha256.Sum256(data) != sums[i] {
			err = errChanged
		}
		return data, err
	}, func(i int, row []float32, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", items[i].Path, err)
		}
		return m.Head.Logits(row, out[i*k:(i+1)*k])
	}, inception.EmbedConfig{Batch: e.Batch, Decoders: e.Decoders, Limits: e.Limits})
	return out, errors.Join(err, trunk.Close())
}

// measurable returns the folder as the model answers, with one label a picture or several.
func measurable(m *inception.Model, folder *dataset.Folder) (*dataset.Folder, error) {
	if m == nil || folder == nil {
		return nil, errors.New("train: evaluate: got no model or no folder, want both")
	}
	if m.Trunk == nil {
		return nil, errors.New("train: evaluate: the model was saved without its trunk: attach the weights " +
			"that it was trained with")
	}
	switch {
	case m.MultiLabel():
		return folder.AsMultiLabel(), nil
	case folder.MultiLabel:
		return nil, fmt.Errorf("train: evaluate: %s has several labels a picture, the model answers one: read it with one "+
			"label a picture, or train such a model", folder.Root)
	}
	return folder, nil
}

// partOf checks the folder's pictures, splits them as the model says and returns those of a part.
func (e *embedder) partOf(ctx context.Context, m *inception.Model, folder *dataset.Folder,
	part string) (got *embedded, bad []error, items []dataset.Item, err error) {
	mine := *folder
	mine.Items = slices.Clone(folder.Items)
	got, bad, checkup, err := e.precheck(ctx, &mine)
	if err != nil {
		return nil, nil, nil, err
	}
	known := memoryOf(m.Pictures)
	if known != nil {
		known.recall(mine.Items, got.sums)
	} else if err := e.splitAs(ctx, &mine, m.Split, checkup, got, bad); err != nil {
		return nil, nil, nil, err
	}
	strange := known.strange(got.sums)
	items = keep(mine.Items, got, &bad, func(i int) bool {
		it := mine.Items[i]
		return part == "" || part == "all" || it.Split.String() == part && (known == nil || it.Fixed || !strange[i])
	})
	if len(items) == 0 {
		return nil, nil, nil, fmt.Errorf("train: evaluate: folder %s: got no picture in the %s part, want at least one",
			folder.Root, partName(part))
	}
	return got, bad, items, nil
}

// splitAs splits the folder as the model's training folder was.
func (e *embedder) splitAs(ctx context.Context, f *dataset.Folder, s inception.Split, c *doctor.Checkup,
	got *embedded, bad []error) error {
	near, err := e.near(ctx, s.Near, f.Items, got, bad, c)
	if err != nil {
		return err
	}
	split := dataset.SplitConfig(s)
	split.Rule = max(split.Rule, 1) // models of older versions say nothing
	return f.SplitTogether(split, dataset.Same{Sums: got.sums, Near: near})
}

// mapped returns the set of what index says of each member.
func mapped(set, index []int) []int {
	out := make([]int, len(set))
	for i, l := range set {
		out[i] = index[l]
	}
	slices.Sort(out)
	return out
}

// partName is how a part is called where "" will not do.
func partName(part string) string {
	if part == "" {
		return "all"
	}
	return part
}

// near finds the pictures that training kept together by a rule. Since NearVersion 2 that takes
// their bottlenecks.
func (e *embedder) near(ctx context.Context, rule int, items []dataset.Item, got *embedded, bad []error,
	c *doctor.Checkup) ([][]int, error) {
	switch rule {
	case 0:
		return nil, nil
	case 1:
		return nearGroups(items, c.FirstNear()), nil
	}
	if err := e.run(ctx, items, got, bad); err != nil {
		return nil, err
	}
	if err := c.RefineNear(ctx, got.rows, doctor.RefineConfig{Workers: e.Engine.Threads}); err != nil {
		return nil, fmt.Errorf("train: evaluate: %w", err)
	}
	return nearGroups(items, c.Same().Near), nil
}

// keep returns the items that are wanted, with got and bad cut to them.
func keep(items []dataset.Item, got *embedded, bad *[]error, wanted func(i int) bool) []dataset.Item {
	var kept []dataset.Item
	cut, why := &embedded{}, []error(nil)
	for i, it := range items {
		if wanted(i) {
			kept, why = append(kept, it), append(why, (*bad)[i])
			cut.sums, cut.rows = append(cut.sums, got.sums[i]), append(cut.rows, got.rows[i])
		}
	}
	*got, *bad = *cut, why
	return kept
}

// matchLabels returns, for each label of the folder, the model's index of it.
func matchLabels(labels []string, folder *dataset.Folder) ([]int, error) {
	known := make(map[string]int, len(labels))
	for i, l := range labels {
		known[l] = i
	}
	index := make([]int, len(folder.Labels))
	var unknown []string
	for i, l := range folder.Labels {
		k, ok := known[l]
		if !ok {
			unknown = append(unknown, l)
		}
		index[i] = k
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("train: evaluate: folder %s: the model does not know the label %s, want labels out of %s: "+
			"rename or remove those folders",
			folder.Root, quoted(unknown), quoted(labels))
	}
	return index, nil
}
