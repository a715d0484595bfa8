package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// EvaluateConfig sets an evaluation; the zero value measures all pictures.
type EvaluateConfig struct {
	// "" or "all": every picture; "train", "validation", "test": that part by the model's own split
	// rule
	Part     string
	CacheDir string         // as in Config
	MaxBad   int            // as in Config
	Batch    int            // as in Config
	Decoders int            // as in Config
	Threads  int            // as in Config
	Device   string         // nn.Config.Device
	Kernel   string         // nn.Config.Kernel
	Limits   picture.Limits // of one picture
	Progress func(Event)    // as in Config
}

// Validate names the first field that is wrong.
func (c EvaluateConfig) Validate() error {
	switch c.Part {
	case "", "all", "train", "validation", "test":
	default:
		return fmt.Errorf("train: config: Part: got %q, want all, train, validation or test", c.Part)
	}
	if c.Batch < 0 || c.Decoders < 0 || c.Threads < 0 {
		return fmt.Errorf("train: config: Batch, Decoders and Threads: got %d, %d and %d, want 0 (default) or more", c.Batch,
			c.Decoders, c.Threads)
	}
	return nil
}

// Evaluation is what Evaluate found. It marshals as its Metrics.
type Evaluation struct {
	Metrics
	Pictures []Picture        // one for each picture measured, in the folder's order
	Problems []source.Problem // files left out, and why
	Embedded int              // pictures that went through the trunk
	Cached   int              // pictures whose bottleneck was there already

	model    *inception.Model
	evidence evidence // what Report shows besides
}

// Evaluate measures a model on a folder of labelled pictures, which it leaves as it is. Labels are
// matched by name; a label that the model does not know is an error that names it, a label of the
// model that the folder lacks is none.
//
// A model that gives a picture any number of labels is measured on sets of labels, one label a
// picture being a set of one.
//
// The parts are those of the model's own split rule applied to this folder: they are the held-out
// pictures of the training run when it is the same folder (moved or renamed as it may be), and mean
// nothing when it is another.
func Evaluate(ctx context.Context, m *inception.Model, folder *dataset.Folder,
	cfg EvaluateConfig) (*Evaluation, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if m == nil || folder == nil {
		return nil, errors.New("train: evaluate: got no model or no folder, want both")
	}
	if m.Trunk == nil {
		return nil, errors.New("train: evaluate: the model was saved without its trunk: attach the weights " +
			"that it was trained with")
	}
	switch {
	case m.MultiLabel():
		folder = folder.AsMultiLabel()
	case folder.MultiLabel:
		return nil, fmt.Errorf("train: evaluate: %s has several labels a picture, the model answers one: read it with one "+
			"label a picture, or train such a model", folder.Root)
	}
	index, err := matchLabels(m.Labels, folder)
	if err != nil {
		return nil, err
	}
	trunk := *m.Trunk
	trunk.Recipe = m.Recipe
	out := &Evaluation{}
	e := &embedder{
		weights: &trunk, recipe: m.Recipe, cacheDir: cfg.CacheDir, maxBad: maxBad(cfg.MaxBad, len(folder.Items)),
		nn:       nn.Config{Threads: cfg.Threads, Device: cfg.Device, Kernel: cfg.Kernel},
		embed:    inception.EmbedConfig{Batch: cfg.Batch, Decoders: cfg.Decoders, Limits: cfg.Limits},
		progress: cfg.Progress, seconds: map[Phase]float64{},
	}
	mine := *folder
	mine.Items = append([]dataset.Item(nil), folder.Items...)
	got, bad, checkup, err := e.look(ctx, &mine)
	if err != nil {
		return nil, err
	}
	near, err := e.near(ctx, m.Split.Near, mine.Items, got, bad, checkup)
	if err != nil {
		return nil, err
	}
	split := dataset.SplitConfig(m.Split)
	split.Rule = max(split.Rule, 1) // models of older versions say nothing
	if err := mine.SplitTogether(split, dataset.Same{Sums: got.sums, Near: near}); err != nil {
		return nil, err
	}
	items := keepPart(mine.Items, got, &bad, cfg.Part)
	if len(items) == 0 {
		return nil, fmt.Errorf("train: evaluate: folder %s: got no picture in the %s part, want at least one", folder.Root,
			partName(cfg.Part))
	}
	if m.Split.Near <= 1 {
		if err := e.run(ctx, items, got, bad); err != nil {
			return nil, err
		}
	}
	all := len(items)
	items, rows := got.dropBad(items)
	if len(items) == 0 {
		return nil, fmt.Errorf("train: evaluate: folder %s: none of %d pictures can be read", folder.Root, all)
	}
	for i := range items {
		it := &items[i]
		it.Label = index[it.Label]
		if folder.MultiLabel {
			it.Labels = mapped(it.Labels, index)
		}
	}
	d := measured{items: items, labels: m.Labels, temp: m.Temperature, confuse: partName(cfg.Part),
		several: folder.MultiLabel, thresholds: m.Thresholds}
	if d.temp == 0 {
		d.temp = 1
	}
	p := newMeter(PhaseMeasure, len(items), cfg.Progress, e.seconds)
	if out.Metrics, out.Pictures, err = headMetrics(ctx, m.Head, rows, &d, cfg.Threads); err != nil {
		return nil, err
	}
	p.end()
	out.Quarantined, out.Duplicates = all-len(items), got.duplicates()
	out.Problems = append(append(out.Problems, folder.Problems...), got.problems...)
	out.Embedded, out.Cached = got.done, got.cached
	out.model, out.evidence = m, evidence{
		root: folder.Root, items: items, sums: got.goodSums(), rows: rows, logits: d.logits,
		threads: cfg.Threads, device: cfg.Device, kernel: cfg.Kernel, limits: cfg.Limits,
	}
	return out, nil
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

// near finds the pictures that training kept together by a rule. Since NearVersion 2 that takes their
// bottlenecks.
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
	if err := c.RefineNear(ctx, got.rows, doctor.RefineConfig{Workers: e.nn.Threads}); err != nil {
		return nil, fmt.Errorf("train: evaluate: %w", err)
	}
	return nearGroups(items, c.Same().Near), nil
}

// keepPart returns the items of a part, with got and bad cut to them.
func keepPart(items []dataset.Item, got *embedded, bad *[]error, part string) []dataset.Item {
	var keep []dataset.Item
	cut, why := &embedded{done: got.done, cached: got.cached}, []error(nil)
	for i, it := range items {
		if part == "" || part == "all" || it.Split.String() == part {
			for _, p := range got.problems {
				if p.Path == it.Path {
					cut.problems = append(cut.problems, p)
				}
			}
			keep, why = append(keep, it), append(why, (*bad)[i])
			cut.sums, cut.rows = append(cut.sums, got.sums[i]), append(cut.rows, got.rows[i])
		}
	}
	*got, *bad = *cut, why
	return keep
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
