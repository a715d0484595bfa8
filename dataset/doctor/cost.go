package doctor

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/c236555e/rehead/dataset/source"
)

// Cost is what training on the folder takes, from what was measured here.
type Cost struct {
	// to decode, resize and scale every picture, on Workers goroutines
	DecodeSeconds   float64 `json:"decode_seconds"`
	ImagesPerSecond float64 `json:"images_per_second"` // of that
	Workers         int     `json:"workers"`           // goroutines
	// decoded pictures of Workers goroutines at the worst moment, and all bottlenecks
	MemoryBytes      int64   `json:"memory_bytes"`
	CacheBytes       int64   `json:"cache_bytes"`        // bottleneck cache of the distinct pictures
	LargestBytes     int64   `json:"largest_bytes"`      // what decoding the largest picture takes
	EmbedSeconds     float64 `json:"embed_seconds"`      // all pictures through the trunk; 0 when it was not measured
	TrainSeconds     float64 `json:"train_seconds"`      // to fit the head; 0 when it was not measured
	TrainSecondsCold float64 `json:"train_seconds_cold"` // the whole of a first training run; 0 when it was not measured
}

// summarize fills counts, ranges, problems and cost.
func (c *Checkup) summarize() {
	c.Labels = make([]LabelCount, len(c.folder.Labels))
	for i, l := range c.folder.Labels {
		c.Labels[i].Label = l
	}
	for _, p := range c.folder.Problems {
		c.Problems = append(c.Problems, Unreadable(p))
	}
	var widths, heights, sizes, needs []int64
	distinct := map[[sha256.Size]byte]bool{}
	seconds := c.sample()
	for i := range c.pictures {
		p, it := &c.pictures[i], c.folder.Items[i]
		for _, l := range c.folder.Set(i) {
			c.Labels[l].Images++
			if p.err == nil {
				c.Labels[l].Readable++
			}
		}
		seconds += p.seconds
		needs = append(needs, p.need)
		if p.err != nil {
			c.Problems = append(c.Problems, Unreadable{it.Path, p.err.Error()})
			continue
		}
		c.Readable++
		c.Formats[p.format]++
		if p.rotated {
			c.Rotated++
		}
		distinct[p.sum] = true
		widths, heights, sizes = append(widths, int64(p.width)), append(heights, int64(p.height)), append(sizes, p.bytes)
	}
	c.Width, c.Height, c.Bytes = rangeOf(widths), rangeOf(heights), rangeOf(sizes)
	slices.SortFunc(needs, func(a, b int64) int { return cmp.Compare(b, a) })
	workers := c.cfg.Workers
	c.Cost = Cost{
		Workers:       workers,
		DecodeSeconds: seconds * float64(c.Readable) / float64(max(1, c.tally.decoded)) / float64(workers),
		CacheBytes:    cacheBytes(len(distinct), c.cfg.Features),
		MemoryBytes:   4 * int64(c.cfg.Features) * int64(c.Readable),
	}
	worst := int64(0)
	for i, n := range needs[:min(len(needs), workers)] {
		if i == 0 {
			c.Cost.LargestBytes = n
		}
		worst += n
	}
	c.Cost.MemoryBytes += min(worst, max(c.cfg.Memory, c.Cost.LargestBytes))
	if c.Cost.DecodeSeconds > 0 {
		c.Cost.ImagesPerSecond = float64(c.Readable) / c.Cost.DecodeSeconds
	}
}

// sampled is how many pictures are timed when all of them were known.
const sampled = 16

// sample decodes a few known pictures for their time, where Config.Recipe asks for it and
// nothing else was decoded.
func (c *Checkup) sample() (seconds float64) {
	if c.tally.decoded > 0 || c.cfg.Recipe == nil || len(c.pictures) == 0 {
		return 0
	}
	n := min(sampled, len(c.pictures))
	tensor := make([]float32, 3*c.cfg.Recipe.Size*c.cfg.Recipe.Size)
	items := make([]int, n)
	for k := range items {
		items[k] = k * len(c.pictures) / n
	}
	for _, k := range source.Order(items, func(i int) source.File { return c.folder.Items[i].File() }) {
		i := items[k]
		if c.pictures[i].err != nil {
			continue
		}
		data, err := c.folder.Items[i].File().Read(c.cfg.Limits)
		if err != nil {
			continue // it was there a moment ago; what needs it will say so
		}
		began := time.Now()
		if _, err := c.cfg.Recipe.Load(data, c.cfg.Limits, tensor); err == nil {
			seconds += time.Since(began).Seconds()
			c.tally.decoded++
		}
	}
	return seconds
}

// cacheBytes is the length of a cache file.
func cacheBytes(pictures, features int) int64 {
	return 1<<9 + int64(pictures)*(sha256.Size+4*int64(features)+4)
}

func rangeOf(values []int64) Range {
	if len(values) == 0 {
		return Range{}
	}
	slices.Sort(values)
	return Range{values[0], values[len(values)/2], values[len(values)-1]}
}
