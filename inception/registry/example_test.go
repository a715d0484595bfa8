package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"

	"github.com/c236555e/rehead/inception/registry"
)

// A set is looked for in the store and pulled when it is not there. Here its mirror is an empty
// folder, so it is not to be had; without From it would come from its publisher.
func ExampleStore_Pull() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store := registry.Store{Dir: dir}
	_, err = store.Lookup("torchvision")
	fmt.Println("not here:", errors.Is(err, fs.ErrNotExist))
	_, err = store.Pull(context.Background(), "torchvision", registry.PullConfig{From: dir})
	fmt.Println("not in the mirror:", errors.Is(err, fs.ErrNotExist))
	// Output:
	// not here: true
	// not in the mirror: true
}

// What is known of the published files.
func ExampleFind() {
	e, err := registry.Find("torchvision")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.File, e.Size, e.SHA256, e.Flavor, e.Top1)
	// Output: inception_v3_google-0cc3c7bd.pth 108949747 0cc3c7bd torchvision 77.294
}
