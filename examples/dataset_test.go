package examples_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/source"
)

// A data set alone, of any fs.FS: found, checked and dealt to parts.
func Example_dataset() {
	photos, err := dataset.ScanStore(source.FS(os.DirFS("photos")), ".", dataset.ScanConfig{})
	if err != nil {
		log.Fatal(err)
	}
	checkup, err := doctor.Check(context.Background(), photos, doctor.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := photos.SplitTogether(dataset.SplitConfig{}, checkup.Same()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(checkup.Readable, photos.Labels, photos.Counts())
	// Output: 23 [blue-cross green-stripes red-circle] [[6 1 1] [6 1 1] [5 1 1]]
}
