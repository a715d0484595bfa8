package train

import (
	"archive/tar"
	"errors"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	small "github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/train/head"
)

// The features that TestUnknownMeasured looks at, and the columns of each block.
const measuredFeatures = "mean,Mixed_6e,Mixed_7a,Mixed_7c"

// someSet is encoded pictures with the index of their label.
type someSet struct {
	data   [][]byte
	labels []int
	k      int
	rows   [][]float32
}

// folderSet are the pictures of a folder of label folders.
func folderSet(t *testing.T, dir string) *someSet {
	t.Helper()
	f, err := dataset.Scan(dir, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := &someSet{k: len(f.Labels)}
	for _, it := range f.Items {
		data, err := os.ReadFile(it.Path)
		if err != nil {
			t.Fatal(err)
		}
		s.data, s.labels = append(s.data, data), append(s.labels, it.Label)
	}
	return s
}

// tarSets are the pictures below two folders of an archive, at most most of each label.
func tarSets(t *testing.T, file string, most int, first, second string) (a, b *someSet) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	sets := map[string]*someSet{first: {}, second: {}}
	places, count := map[string]int{}, map[string]int{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		label, top := path.Dir(h.Name), strings.Split(h.Name, "/")[0]
		s := sets[top]
		if s == nil || h.Typeflag != tar.TypeReg || label != first && count[label] >= most {
			continue
		}
		if _, ok := places[label]; !ok {
			places[label], s.k = s.k, s.k+1
		}
		count[label]++
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		s.data, s.labels = append(s.data, data), append(s.labels, places[label])
	}
	return sets[first], sets[second]
}

func (s *someSet) embed(t *testing.T, w *inception.Weights) {
	t.Helper()
	reads, err := ParseFeatures(measuredFeatures)
	if err != nil {
		t.Fatal(err)
	}
	_, err = EmbedEach(t.Context(), len(s.data), w, EmbedConfig{Reads: reads},
		func(i int) ([]byte, error) { return s.data[i], nil },
		func(_ int, row []float32, err error) error {
			s.rows = append(s.rows, slices.Clone(row))
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
}

// columns are those from lo on, hi before the end.
func columns(rows [][]float32, lo, hi int) [][]float32 {
	out := make([][]float32, len(rows))
	for i, r := range rows {
		out[i] = r[lo:hi]
	}
	return out
}

// unknownScores are the scores of some kinds of detectors for rows; each is higher for known pictures.
func unknownScores(t *testing.T, known *someSet, train []int, rows [][]float32, all [][]float32) map[string][]float64 {
	t.Helper()
	const last, before = 1024, 640 // columns of Mixed_7c and of Mixed_7a
	width := len(all[0])
	ex := head.Examples{Classes: known.k}
	var whole [][]float32
	for _, i := range train {
		whole = append(whole, known.rows[i])
		ex.Labels = append(ex.Labels, known.labels[i])
	}
	ex.Rows = columns(whole, width-last, width)
	fit, err := head.Fit(t.Context(), ex, head.Config{})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := head.Logits(t.Context(), fit.Head, rows, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float64{"energy": scores(&inception.Unknown{}, nil, rows, logits)}
	k := known.k
	best := make([]int, len(rows))
	for i := range rows {
		z := logits[i*k : (i+1)*k]
		best[i] = slices.Index(z, slices.Max(z))
		out["softmax"] = append(out["softmax"], z[best[i]]-inception.UnknownScore(z))
		nearest := math.Inf(-1)
		for n, r := range ex.Rows {
			if ex.Labels[n] == best[i] {
				nearest = max(nearest, cosineOf(r, rows[i]))
			}
		}
		out["nearest of the label"] = append(out["nearest of the label"], nearest)
	}
	for name, span := range map[string][2]int{"distance": {width - last, width},
		"distance, Mixed_7a": {width - last - before, width - last}, "distance, Mixed_6e": {0, width - last - before}} {
		d, err := fitDistance(t.Context(), columns(whole, span[0], span[1]), ex.Labels, k, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range columns(all, span[0], span[1]) {
			out[name] = append(out[name], -d.Of(best[i], row))
		}
	}
	return out
}

func cosineOf(a, b []float32) float64 {
	dot, aa, bb := 0.0, 0.0, 0.0
	for i, v := range a {
		dot, aa, bb = dot+float64(v)*float64(b[i]), aa+float64(v)*float64(v), bb+float64(b[i])*float64(b[i])
	}
	return dot / math.Sqrt(max(aa*bb, 1e-30))
}

// caught is the share of unknown pictures below the line that a twentieth of the held-out known ones
// lies below, by detector, over some drawings of what is held out.
func caught(t *testing.T, known *someSet, strange [][]float32) map[string]float64 {
	t.Helper()
	const drawings = 2
	out := map[string]float64{}
	for seed := range uint64(drawings) {
		order := rand.New(rand.NewPCG(seed, 1)).Perm(len(known.rows))
		n := len(order) * 7 / 10
		all := [][]float32{}
		for _, i := range order[n:] {
			all = append(all, known.rows[i])
		}
		held := len(all)
		all = append(all, strange...)
		width := len(all[0])
		s := unknownScores(t, known, order[:n], columns(all, width-1024, width), all)
		for _, sum := range [][2]string{{"energy", "distance"}, {"energy", "nearest of the label"},
			{"energy", "distance, Mixed_7a"}} {
			a, b := s[sum[0]], s[sum[1]]
			weight := middle(a[:held]) / middle(b[:held]) / 2
			both := make([]float64, len(a))
			for i := range a {
				both[i] = a[i] + weight*b[i]
			}
			s["energy and "+sum[1]] = both
		}
		for name, v := range s {
			out[name] += *share(v[held:], quantile(v[:held], 0.05)) / drawings
		}
	}
	return out
}

// TestUnknownMeasured prints the table of docs/training.md: the share of unknown pictures that each
// detector catches at the price of a twentieth of the known ones, with the small trunk.
func TestUnknownMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	flowers := folderSet(t, datatest.Shared(t, "data", "flowers"))
	signs := folderSet(t, datatest.Shared(t, "data", "signs"))
	things, scenes := tarSets(t, datatest.Shared(t, "data", "pretrain.tar"), 100, "imagenet-samples", "scenes")
	w, err := small.Weights()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*someSet{flowers, signs, things, scenes} {
		s.embed(t, w)
	}
	total := map[string]float64{}
	for _, pair := range []struct {
		name    string
		known   *someSet
		strange *someSet
	}{{"flowers, unknown: 1,000 things", flowers, things}, {"flowers, unknown: hand signs", flowers, signs},
		{"hand signs, unknown: flowers", signs, flowers}, {"scenes, unknown: 1,000 things", scenes, things}} {
		got := caught(t, pair.known, pair.strange.rows)
		for _, name := range slices.Sorted(maps.Keys(got)) {
			t.Logf("%s | %s | %.1f %%", pair.name, name, 100*got[name])
			total[name] += got[name] / 4
		}
	}
	for _, name := range slices.Sorted(maps.Keys(total)) {
		v := total[name]
		t.Logf("mean | %s | %.1f %%", name, 100*v)
	}
	if total["energy and distance"] < total["energy"]+0.2 {
		t.Errorf("the distance brings from %.2f to %.2f, want much more", total["energy"], total["energy and distance"])
	}
}
