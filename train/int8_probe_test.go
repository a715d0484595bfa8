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

// probe returns the accuracy of linear heads in five folds, over several drawings of the folds.
func probe(t *testing.T, ex head.Examples, drawings int) float64 {
	t.Helper()
	const folds = 5
	right := 0
	for d := range drawings {
		rng := rand.New(rand.NewPCG(uint64(d), 3))
		order := rng.Perm(len(ex.Rows))
		for fold := range folds {
			train, test := head.Examples{Classes: ex.Classes}, head.Examples{}
			for k, i := range order {
				part := &train
				if k%folds == fold {
					part = &test
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
					right++
				}
			}
		}
	}
	return float64(right) / float64(drawings*len(ex.Rows))
}

// TestInt8Probe asserts that heads trained on int8 bottlenecks of photographs are as good as those
// on float32 ones: within half a point, over all photographs in five folds and several drawings of
// them.
func TestInt8Probe(t *testing.T) {
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
	mean, worst := 0.0, 0.0
	for i, row := range float.Rows {
		diff, norm := 0.0, 0.0
		for j, v := range row {
			d := float64(int8s.Rows[i][j] - v)
			diff, norm = diff+d*d, norm+float64(v)*float64(v)
		}
		d := math.Sqrt(diff / norm)
		mean, worst = mean+d/float64(len(float.Rows)), max(worst, d)
	}
	const drawings = 4
	a, b := probe(t, float, drawings), probe(t, int8s, drawings)
	t.Logf("accuracy %.2f %% with float32, %.2f %% with int8; bottlenecks differ by %.3f of their norm on "+
		"average, %.3f at worst", 100*a, 100*b, mean, worst)
	if !(b >= a-0.005) {
		t.Errorf("accuracy %.2f %% with int8, want at most half a point below %.2f %%", 100*b, 100*a)
	}
	if !(mean < 0.2) {
		t.Errorf("bottlenecks differ by %.3f of their norm on average, want below 0.2", mean)
	}
}
