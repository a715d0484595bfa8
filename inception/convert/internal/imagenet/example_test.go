package imagenet_test

import (
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/imagenet"
)

// The same class stands at another place in each of the published orders.
func ExampleLabels() {
	fmt.Println(imagenet.Labels(1000)[0], imagenet.Labels(1001)[1], imagenet.Labels(1008)[449])
	fmt.Println(imagenet.Name("n01440764"))
	// Output:
	// tench tench tench
	// tench
}
