package examples_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/serve"
)

// Mount a model below a path of a program's own server, with the program's own metrics.
func Example_mount() {
	weights, err := inception.Random(inception.RandomConfig{Width: 0.1, Classes: 3, Size: 75})
	if err != nil {
		log.Fatal(err)
	}
	model, err := inception.ModelFromWeights(weights) // or inception.OpenModel("model")
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := inception.NewClassifier(model, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	serve.Quiet() // gin prints its routes otherwise
	flowers, err := serve.New(classifier, serve.Config{Registerer: prometheus.NewRegistry()})
	if err != nil {
		log.Fatal(err)
	}
	defer flowers.Close() // after http.Server.Shutdown; flowers.Drain() before it
	mux := http.NewServeMux()
	mux.Handle("/flowers/", http.StripPrefix("/flowers", flowers.Handler()))
	own := httptest.NewServer(mux)
	defer own.Close()
	picture, err := os.Open("new.jpg")
	if err != nil {
		log.Fatal(err)
	}
	answer, err := http.Post(own.URL+"/flowers/invocations", "image/jpeg", picture)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	// Output: 200 OK
}
