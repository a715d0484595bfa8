package train

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
)

// embedFolder returns the bottlenecks of all pictures of a folder.
func embedFolder(t *testing.T, w *inception.Weights, folder *dataset.Folder) head.Examples {
	t.Helper()
	trunk, err := inception.NewTrunk(w, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	ex := head.Examples{Classes: len(folder.Labels)}
	read := func(i int) ([]byte, error) { return os.ReadFile(folder.Items[i].Path) }
	emit := func(i int, vec []float32, err error) error {
		ex.Rows, ex.Labels = append(ex.Rows, slices.Clone(vec)), append(ex.Labels, folder.Items[i].Label)
		return err
	}
	if err := trunk.EmbedAll(context.Background(), len(folder.Items), read, emit, inception.EmbedConfig{}); err != nil {
		t.Fatal(err)
	}
	return ex
}

// probe returns how often linear heads in five folds are right about each picture, over several
// drawings of the folds, as a share.
func probe(t *testing.T, ex head.Examples, drawings int) []float64 {
	t.Helper()
	const folds = 5
	right := make([]float64, len(ex.Rows))
	for d := range drawings {
		rng := rand.New(rand.NewPCG(uint64(d), 3))
		order := rng.Perm(len(ex.Rows))
		for fold := range folds {
			train, test := head.Examples{Classes: ex.Classes}, head.Examples{}
			var tested []int
			for k, i := range order {
				part := &train
				if k%folds == fold {
					part, tested = &test, append(tested, i)
				}
				part.Rows, part.Labels = append(part.Rows, ex.Rows[i]), append(part.Labels, ex.Labels[i])
			}
			fit, err := head.Fit(context.Background(), train, head.Config{})
			if err != nil {
				t.Fatal(err)
			}
			logits := make([]float64, ex.Classes)
			for i, row := range test.Rows {
				_ = fit.Head.Logits(row, logits)
				if slices.Index(logits, slices.Max(logits)) == test.Labels[i] {
					right[tested[i]] += 1 / float64(drawings)
				}
			}
		}
	}
	return right
}

// average returns the mean of v and its standard error.
func average(v []float64) (m, se float64) {
	n := float64(len(v))
	for _, x := range v {
		m += x / n
	}
	for _, x := range v {
		se += (x - m) * (x - m) / (n - 1)
	}
	return m, math.Sqrt(se / n)
}

// drift returns how far two trunks' bottlenecks are from each other, over the norm of the first's: of
// all pictures together, and of the worst.
func drift(a, b head.Examples) (all, worst float64) {
	var diffs, norms float64
	for i, row := range a.Rows {
		diff, norm := 0.0, 0.0
		for j, v := range row {
			d := float64(b.Rows[i][j] - v)
			diff, norm = diff+d*d, norm+float64(v)*float64(v)
		}
		d := math.Sqrt(diff / norm)
		diffs, norms, worst = diffs+diff, norms+norm, max(worst, d)
	}
	return math.Sqrt(diffs / norms), worst
}

// flowers returns the 2015 weights and 700 photographs.
func flowers(t *testing.T) (*inception.Weights, *dataset.Folder) {
	t.Helper()
	if testing.Short() {
		t.Skip("embeds 700 photographs twice")
	}
	w, err := inception.ReadWeights(datatest.Shared(t, "weights", "inception-2015-12-05.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := dataset.Scan(datatest.Shared(t, "data", "flowers"), dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return w, folder
}

// TestBFloat16Probe asserts that heads trained on bfloat16 bottlenecks of photographs are as good as
// those on float32 ones: within a standard error of the paired difference, over all photographs in
// five folds and several drawings of them; and that the bottlenecks themselves are near.
func TestBFloat16Probe(t *testing.T) {
	w, folder := flowers(t)
	narrow, err := w.Narrowed()
	if err != nil {
		t.Fatal(err)
	}
	full, half := embedFolder(t, w, folder), embedFolder(t, narrow, folder)
	apart, worst := drift(full, half)
	const drawings = 4
	a, b := probe(t, full, drawings), probe(t, half, drawings)
	paired := make([]float64, len(a))
	for i := range a {
		paired[i] = b[i] - a[i]
	}
	before, _ := average(a)
	after, _ := average(b)
	gain, se := average(paired)
	t.Logf("accuracy %.2f %% with float32, %.2f %% with bfloat16: %+.2f points, with a standard error of %.2f; "+
		"bottlenecks differ by %.4f of their norm, by %.4f at worst", 100*before, 100*after, 100*gain, 100*se, apart, worst)
	if !(gain >= -se) {
		t.Errorf("bfloat16 loses %.2f points, want at most the standard error %.2f", -100*gain, 100*se)
	}
	if !(apart < 0.015 && worst < 0.02) {
		t.Errorf("bottlenecks differ by %.4f of their norm, by %.4f at worst, want below 0.015 and 0.02", apart, worst)
	}
}

// TestInt8Probe asserts that heads trained on int8 bottlenecks of photographs are as good as those
// on float32 ones: within half a point, over all photographs in five folds and several drawings of
// them.
func TestInt8Probe(t *testing.T) {
	w, folder := flowers(t)
	// Those to calibrate with are spread over the labels.
	const n = inception.CalibrationPictures
	bytes, err := inception.Calibrate(context.Background(), w, nn.Config{}, n, func(i int, pixels []float32) error {
		data, err := os.ReadFile(folder.Items[i*len(folder.Items)/n].Path)
		if err == nil {
			_, err = w.Recipe.Load(data, picture.Limits{}, pixels)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	float, int8s := embedFolder(t, w, folder), embedFolder(t, bytes, folder)
	apart, worst := drift(float, int8s)
	const drawings = 4
	a, _ := average(probe(t, float, drawings))
	b, _ := average(probe(t, int8s, drawings))
	t.Logf("accuracy %.2f %% with float32, %.2f %% with int8; bottlenecks differ by %.3f of their norm, by "+
		"%.3f at worst", 100*a, 100*b, apart, worst)
	if !(b >= a-0.005) {
		t.Errorf("accuracy %.2f %% with int8, want at most half a point below %.2f %%", 100*b, 100*a)
	}
	if !(apart < 0.2) {
		t.Errorf("bottlenecks differ by %.3f of their norm, want below 0.2", apart)
	}
}
