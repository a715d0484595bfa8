package doctor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/par"
	"golang.org/x/sync/semaphore"
)

// Config says what Check looks for. The zero value works.
type Config struct {
	Limits  picture.Limits
	Workers int // goroutines that read and decode; 0 means GOMAXPROCS
	// bytes of decoded pictures held at a time, by a high estimate; 0 means 512 MiB; a picture that
	// needs more is decoded alone
	Memory       int64
	MinImages    int             // fewest readable pictures of a label that is not tiny; 0 means 20
	MinSide      int             // shortest side that is not small, in pixels; 0 means 32
	MaxAspect    float64         // longest picture, long side by short; 0 means 5
	MaxImbalance float64         // largest label by smallest; 0 means 10
	Recipe       *picture.Recipe // is timed on every picture; nil: decoding alone is
	Features     int             // length of a bottleneck, for the size of the cache; 0 means 2,048
	Cache        *CheckCache     // optional: pictures that are known there are not decoded again, and others become known
	Progress     func(done, total int)
}

// maxWorkers bounds goroutines.
const maxWorkers = 4096

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Workers < 0 || c.Memory < 0 || c.MinImages < 0 || c.MinSide < 0 || c.Features < 0:
		return c, errors.New("dataset: check: Workers, Memory, MinImages, MinSide and Features: got a negative number, " +
			"want 0 (default) or more")
	case c.Workers > maxWorkers || c.Features > 1<<20:
		return c, fmt.Errorf("dataset: check: got %d workers and %d features, want at most %d and %d", c.Workers, c.Features,
			maxWorkers, 1<<20)
	case !(c.MaxAspect >= 0) || !(c.MaxImbalance >= 0):
		return c, errors.New("dataset: check: MaxAspect and MaxImbalance: want 0 (default) or more")
	}
	if c.Recipe != nil {
		if err := c.Recipe.Validate(); err != nil {
			return c, err
		}
	}
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	c.Memory = cmp.Or(c.Memory, 512<<20)
	c.MinImages = cmp.Or(c.MinImages, 20)
	c.MinSide = cmp.Or(c.MinSide, 32)
	c.MaxAspect = cmp.Or(c.MaxAspect, 5)
	c.MaxImbalance = cmp.Or(c.MaxImbalance, 10)
	c.Features = cmp.Or(c.Features, 2048)
	return c, nil
}

// Severity says how bad a Finding is.
type Severity string

// The severities of a Finding.
const (
	Fatal   Severity = "error"   // training is impossible
	Warning Severity = "warning" // the model will suffer, or the numbers will mislead
	Note    Severity = "note"    // worth knowing
)

// The codes of Findings. They are stable.
const (
	CodeFolder      = "folder"                   // the folder or manifest cannot be read as labelled pictures at all
	CodeFewLabels   = "few-labels"               // fewer than two labels have readable pictures
	CodeEmptyLabel  = "empty-label"              // a label has pictures, but none that can be read
	CodeTinyLabel   = "tiny-label"               // a label has few readable pictures
	CodeSimilar     = "similar-labels"           // labels that differ in case, spaces or punctuation alone
	CodeImbalance   = "imbalance"                // the largest label is many times the smallest
	CodeUnreadable  = "unreadable"               // damaged, truncated, too large or unsupported pictures
	CodeManyBad     = "many-unreadable"          // more of them than training puts up with unasked
	CodeLeftOut     = "left-out"                 // not pictures, outside the labels, or not to be opened
	CodeSmall       = "small"                    // pictures with a very short side
	CodeAspect      = "aspect"                   // very long or tall pictures
	CodeNarrow      = "narrow-range"             // pictures of 16 bits that use less than half of them
	CodeFeatureless = "featureless"              // pictures of nearly one shade
	CodeSame        = "duplicates"               // equal bytes within a label
	CodeSameAcross  = "duplicates-across-labels" // equal bytes under several labels
	CodeNear        = "near-duplicates"          // nearly the same picture within a label
	CodeNearAcross  = "near-duplicates-across-labels"
	CodeLeak        = "duplicates-across-parts" // equal or nearly equal pictures in fixed train, validation or test parts
	CodeDisagree    = "label-disagrees"         // the nearest neighbours have another label
)

// Finding is one thing that Check found, about one picture, one label or many.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	Count    int      `json:"count"`            // pictures, labels or groups concerned
	Label    string   `json:"label,omitempty"`  // the label concerned, where it is one
	Images   []string `json:"images,omitempty"` // Item.Rel of up to 20 pictures concerned
	Message  string   `json:"message"`          // one sentence, with what to do about it
}

// LabelCount is how many pictures a label has.
type LabelCount struct {
	Label    string `json:"label"`
	Images   int    `json:"images"`   // that look like pictures
	Readable int    `json:"readable"` // that were decoded
}

// Range is the least, the middle and the largest of a measure over the readable pictures.
type Range struct {
	Min    int64 `json:"min"`
	Median int64 `json:"median"`
	Max    int64 `json:"max"`
}

// Unreadable is a file that cannot be used, and why.
type Unreadable struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Duplicates are pictures that are the same, or nearly.
type Duplicates struct {
	Images []string `json:"images"` // Item.Rel, sorted
	Labels []string `json:"labels"` // of the pictures, sorted, each once
	// 0..1, the largest between a picture and its nearest here; 0 for equal bytes
	Distance float64  `json:"distance"`
	Cosine   *float64 `json:"cosine,omitempty"`   // the largest cosine distance of linked bottlenecks, 0..2; after Refine
	Mirrored bool     `json:"mirrored,omitempty"` // some are mirror images of others
	items    []int
}

// Checkup is what Check found. Its JSON keys are stable.
type Checkup struct {
	Root           string         `json:"root"`
	Trainable      bool           `json:"trainable"` // no Finding is Fatal
	Images         int            `json:"images"`    // files that look like pictures
	Readable       int            `json:"readable"`  // that were decoded in full
	Ignored        int            `json:"ignored"`   // hidden and housekeeping files
	Formats        map[string]int `json:"formats"`   // readable pictures by format
	Labels         []LabelCount   `json:"labels"`
	Width          Range          `json:"width"` // pixels, upright
	Height         Range          `json:"height"`
	Bytes          Range          `json:"bytes"`
	Rotated        int            `json:"rotated"` // pictures whose EXIF orientation is not upright
	Findings       []Finding      `json:"findings"`
	Problems       []Unreadable   `json:"problems"`
	Duplicates     []Duplicates   `json:"duplicates"`
	NearDuplicates []Duplicates   `json:"near_duplicates"`
	Disagreements  []Disagreement `json:"disagreements"` // after Refine
	Cost           Cost           `json:"cost"`

	folder   *dataset.Folder
	cfg      Config
	pictures []checked
	prints   []fingerprint
	same     [][]int   // items of equal bytes
	repeats  []bool    // an earlier item has the same bytes
	pairs    []pair    // that look alike
	bounds   []float64 // of each label, see bound
	tally    *tally
}

// tally is what the goroutines of a Check write to together.
type tally struct {
	mu      sync.Mutex
	decoded int // pictures that were decoded and timed
}

// checked is what Check keeps of one picture.
type checked struct {
	sum           [sha256.Size]byte
	err           error
	format        string
	width, height int32 // upright
	bytes         int64
	need          int64 // bytes that decoding takes
	seconds       float64
	rotated       bool
	largest       uint16 // value of a picture of 16 bits a sample; 0 for others
}

// Check reads and decodes every picture of a folder, in parallel and in bounded memory, and says
// what training on it should know: files that cannot be read, sizes, labels, equal and nearly equal
// pictures, cost. Findings are not errors; an error means that the check itself failed or ctx
// ended.
func Check(ctx context.Context, folder *dataset.Folder, cfg Config) (*Checkup, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if folder == nil {
		return nil, errors.New("dataset: check: got no folder")
	}
	c := &Checkup{
		Root: folder.Root, Images: len(folder.Items), Ignored: folder.Ignored, Formats: map[string]int{},
		Problems: []Unreadable{}, folder: folder, cfg: cfg, tally: new(tally),
		pictures: make([]checked, len(folder.Items)), prints: make([]fingerprint, len(folder.Items)),
	}
	for _, it := range folder.Items {
		if it.Label < 0 || it.Label >= len(folder.Labels) {
			return nil, fmt.Errorf("dataset: check: item %q has label %d, want 0..%d", it.Rel, it.Label, len(folder.Labels)-1)
		}
	}
	if err := c.readAll(ctx); err != nil {
		return nil, err
	}
	c.findSame()
	if err := c.findNear(ctx); err != nil {
		return nil, fmt.Errorf("dataset: check: %w", err)
	}
	c.Disagreements = []Disagreement{}
	c.summarize()
	c.report()
	return c, nil
}

// Hopeless is the Checkup of what Scan or ReadManifest refused: nothing but one fatal Finding that
// says why.
func Hopeless(root string, err error) *Checkup {
	if err == nil {
		err = errors.New("the folder was refused")
	}
	return &Checkup{
		Root: root, Formats: map[string]int{}, Labels: []LabelCount{}, Problems: []Unreadable{}, Duplicates: []Duplicates{},
		NearDuplicates: []Duplicates{},
		Disagreements:  []Disagreement{},
		Findings:       []Finding{{Severity: Fatal, Code: CodeFolder, Count: 1, Message: err.Error()}},
	}
}

// readAll fills pictures and prints.
func (c *Checkup) readAll(ctx context.Context) error {
	total := len(c.pictures)
	memory := semaphore.NewWeighted(c.cfg.Memory)
	var done atomic.Int64
	var telling sync.Mutex
	tensors := make([][]float32, c.cfg.Workers)
	order := source.Order(c.folder.Items, dataset.Item.File)
	ahead := source.NewAhead(ctx, source.Reading{N: total, Limits: c.cfg.Limits,
		File: func(k int) source.File { return c.folder.Items[order[k]].File() },
		Skip: func(k int) bool { return c.recall(new(checked), new(fingerprint), order[k]) }})
	defer ahead.Close()
	err := par.Each(ctx, c.cfg.Workers, total, func(worker, k int) error {
		i := order[k]
		if r := c.cfg.Recipe; r != nil && tensors[worker] == nil {
			tensors[worker] = make([]float32, 3*r.Size*r.Size)
		}
		fetch := func() ([]byte, error) { return ahead.Read(k) }
		err := c.read(ctx, i, checking{fetch, memory, tensors[worker]})
		ahead.Drop(k) // what was known by its digest
		if err != nil {
			return err
		}
		if n := int(done.Add(1)); c.cfg.Progress != nil {
			telling.Lock()
			c.cfg.Progress(n, total)
			telling.Unlock()
		}
		return nil
	})
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return fmt.Errorf("dataset: check: stopped after %d of %d pictures: %w", done.Load(), total, err)
	}
	return err
}

// checking is what looking at a picture takes.
type checking struct {
	fetch  func() ([]byte, error) // its bytes
	memory *semaphore.Weighted
	tensor []float32 // for the recipe
}

// recall fills in what is known of picture i without reading it, and tells whether that is all.
func (c *Checkup) recall(p *checked, print *fingerprint, i int) (known bool) {
	file := c.folder.Items[i].File()
	if c.cfg.Cache == nil {
		return false
	}
	if p.sum, known = file.Digest(); !known || !c.cfg.Cache.get(p, print) || !p.within(c.cfg.Limits) {
		return false
	}
	info, err := file.Store.Stat(file.Path)
	if err == nil {
		p.bytes = info.Size()
	}
	return err == nil
}

// read looks at one picture once memory for it is free. It fails when ctx ended before, or the
// cache cannot be written.
func (c *Checkup) read(ctx context.Context, i int, with checking) error {
	p, memory, tensor := &c.pictures[i], with.memory, with.tensor
	if c.recall(p, &c.prints[i], i) {
		return nil
	}
	p.sum = [sha256.Size]byte{}
	reserved := min(c.cfg.Limits.Bytes(), c.cfg.Memory)
	if memory.Acquire(ctx, reserved) != nil {
		return context.Cause(ctx)
	}
	data, err := with.fetch()
	p.bytes = int64(len(data))
	memory.Release(reserved)
	if err != nil {
		p.err = err
		return nil
	}
	p.sum = sha256.Sum256(data)
	if c.cfg.Cache.get(p, &c.prints[i]) && p.within(c.cfg.Limits) {
		return nil
	}
	h, err := picture.ReadHeader(data, c.cfg.Limits)
	p.format = h.Format
	if err != nil {
		p.err = err
		return nil
	}
	p.need = int64(len(data)) + picture.DecodedBytes(data, h.Info)
	reserved = min(p.need, c.cfg.Memory) // what is larger than all of it goes in alone
	if memory.Acquire(ctx, reserved) != nil {
		return context.Cause(ctx)
	}
	defer memory.Release(reserved)
	began := time.Now()
	img, err := h.Decode(ctx)
	if err == nil {
		p.largest, _ = picture.Largest(img)
	}
	if err == nil && c.cfg.Recipe != nil {
		err = c.cfg.Recipe.Apply(img, h.Orientation, tensor)
	}
	p.seconds = time.Since(began).Seconds()
	if err == nil {
		p.err = c.fingerprint(i, img, h.Orientation)
	} else {
		p.err = err
	}
	p.width, p.height, p.rotated = int32(h.Width), int32(h.Height), h.Orientation > 1
	if h.Orientation >= 5 {
		p.width, p.height = p.height, p.width
	}
	return c.met(i)
}

// met counts a picture that was decoded in full, and makes it known to later checks.
func (c *Checkup) met(i int) error {
	if c.pictures[i].err != nil {
		c.pictures[i].seconds = 0
		return nil
	}
	err := c.cfg.Cache.put(&c.pictures[i], &c.prints[i])
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	c.tally.decoded++
	return err
}

func (c *Checkup) fingerprint(i int, img image.Image, orientation int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("dataset: check: the picture cannot be read: %v", p)
		}
	}()
	c.prints[i] = newFingerprint(img, orientation)
	return nil
}

// Of tells whether the pictures that were checked are the folder's.
func (c *Checkup) Of(folder *dataset.Folder) bool {
	return c.folder != nil && folder != nil && len(folder.Items) == len(c.pictures)
}

// Usable tells whether item i of the folder was decoded in full.
func (c *Checkup) Usable(i int) bool { return c.Err(i) == nil }

// Err says why item i of the folder cannot be used; nil when it was decoded in full.
func (c *Checkup) Err(i int) error {
	if c == nil || i < 0 || i >= len(c.pictures) {
		return fmt.Errorf("dataset: check: item %d was not checked", i)
	}
	return c.pictures[i].err
}

// Same returns the groups that Check and Refine found, for SplitTogether and FoldsTogether: equal
// pictures, and nearly equal ones.
func (c *Checkup) Same() dataset.Same {
	s := dataset.Same{Sums: make([][sha256.Size]byte, len(c.pictures))}
	for i := range c.pictures {
		if s.Sums[i] = c.pictures[i].sum; s.Sums[i] == [sha256.Size]byte{} { // never read: equal to nothing
			s.Sums[i] = sha256.Sum256([]byte("unreadable\x00" + c.folder.Items[i].Path))
		}
	}
	for _, t := range c.NearDuplicates {
		s.Near = append(s.Near, t.items)
	}
	return s
}

// aspect is long side by short.
func (p *checked) aspect() float64 {
	return float64(max(p.width, p.height)) / math.Max(1, float64(min(p.width, p.height)))
}

// Unread are the pictures of the folder that cannot be read, by Item.Rel, in its order, and why.
func (c *Checkup) Unread() (out []Unreadable) {
	if c == nil || c.folder == nil {
		return nil
	}
	for i := range c.pictures {
		if err := c.pictures[i].err; err != nil {
			out = append(out, Unreadable{c.folder.Items[i].Rel, err.Error()})
		}
	}
	return out
}
