package labels_test

import (
	"fmt"

	"github.com/c236555e/rehead/inception/labels"
)

// The same class stands at another place in each of the published orders.
func ExampleFor() {
	fmt.Println(labels.For(1000)[0], labels.For(1001)[1], labels.For(1008)[449])
	fmt.Println(labels.Synset("tench"), labels.Named("n01440764"))
	// Output:
	// tench tench tench
	// n01440764 tench
}
