package main

import (
	"crypto/sha1"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// TestManifestsEndToEnd trains on a manifest with given parts and weights, evaluates the model on
// manifests and holds it to --min-accuracy.
func TestManifestsEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir := t.TempDir()
	trunk, pictures, model, cache := narrow(t, dir), filepath.Join(dir, "pictures"), filepath.Join(dir, "model"),
		filepath.Join(dir, "cache")
	if err := draw.Folder(pictures, 3, 20, 5); err != nil {
		t.Fatal(err)
	}
	var list, wrong strings.Builder
	list.WriteString("image,label,split,weight\n")
	wrong.WriteString("image,label\n")
	tests := 0
	for class := range 3 {
		files, err := os.ReadDir(filepath.Join(pictures, draw.Label(class)))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range files {
			split := []string{"train", "train", "train", "validation", "test"}[i%5]
			if split == "test" {
				tests++
			}
			fmt.Fprintf(&list, "pictures/%[1]s/%[2]s,%[1]s,%[3]s,%[4]g\n", draw.Label(class), f.Name(), split, 0.5+float64(i%3))
			fmt.Fprintf(&wrong, "pictures/%s/%s,%s\n", draw.Label(class), f.Name(), draw.Label((class+1)%3))
		}
	}
	for name, text := range map[string]string{"list.csv": list.String(), "wrong.csv": wrong.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	type scores struct {
		Images   int      `json:"test_images"`
		Accuracy float64  `json:"test_accuracy"`
		Weighted *float64 `json:"test_weighted_accuracy"`
		Loss     *float64 `json:"test_weighted_log_loss"`
	}
	var trained, evaluated scores
	must(t, &trained, "train", filepath.Join(dir, "list.csv"), "--weights", trunk, "-o", model, "--cache", cache, "--json")
	if trained.Images != tests || trained.Weighted == nil || trained.Accuracy < 0.5 {
		t.Fatalf("train: got %+v, want %d test pictures and a weighted accuracy", trained, tests)
	}
	must(t, &evaluated, "evaluate", model, filepath.Join(dir, "list.csv"), "--part", "test", "--cache", cache, "--json",
		"--min-accuracy", fmt.Sprint(trained.Accuracy))
	if evaluated.Accuracy != trained.Accuracy || *evaluated.Weighted != *trained.Weighted ||
		*evaluated.Loss != *trained.Loss {
		t.Errorf("evaluate: got %+v, in training %+v", evaluated, trained)
	}
	fails(t, []string{"evaluate", model, filepath.Join(dir, "wrong.csv"), "--cache", cache, "--min-accuracy", "0.5"},
		"accuracy", "want at least 0.5")

	var legacy scores
	must(t, &legacy, "train", pictures, "--legacy-split", "--weights", trunk, "-o", filepath.Join(dir, "legacy"),
		"--cache", cache, "--json")
	if want := retrainTests(t, pictures); legacy.Images != want {
		t.Errorf("--legacy-split: %d test pictures, by retrain.py's formula %d", legacy.Images, want)
	}
}

// retrainTests counts the test pictures of retrain.py with 10 % for validation and 10 % for
// testing, by its own formula.
func retrainTests(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	const most = 1<<27 - 1 // MAX_NUM_IMAGES_PER_CLASS
	for _, path := range files {
		sum := sha1.Sum([]byte(path))
		hash := new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(most+1))
		if percent := float64(hash.Int64()) * (100.0 / most); 10 <= percent && percent < 20 {
			n++
		}
	}
	return n
}
