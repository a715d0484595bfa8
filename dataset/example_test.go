package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/draw"
)

// A folder of label folders, split, and its first picture as the network is fed with it.
func Example() {
	dir, err := os.MkdirTemp("", "pictures")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := draw.Folder(dir, 3, 10, 1); err != nil {
		panic(err)
	}
	folder, err := dataset.Scan(dir, dataset.ScanConfig{})
	if err != nil {
		panic(err)
	}
	if err := folder.Split(dataset.SplitConfig{}); err != nil {
		panic(err)
	}
	for i, n := range folder.Counts() {
		fmt.Println(folder.Labels[i], n)
	}
	recipe := picture.Recipe{
		Size: 299, Orient: true, Geometry: picture.Squash, Filter: picture.Bilinear,
		Mean: [3]float32{127.5, 127.5, 127.5}, Std: [3]float32{127.5, 127.5, 127.5},
	}
	data, err := source.Read(filepath.Join(dir, filepath.FromSlash(folder.Items[0].Rel)), picture.Limits{})
	if err != nil {
		panic(err)
	}
	pixels := make([]float32, 3*299*299)
	info, err := recipe.Load(data, picture.Limits{}, pixels)
	fmt.Println(info.Format, err, len(pixels))
	// Output:
	// blue-cross [8 1 1]
	// green-stripes [8 1 1]
	// red-circle [8 1 1]
	// jpeg <nil> 268203
}
