package serve_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/serve"
)

// A model (here one with made-up weights and a class for each of three numbers) becomes an
// http.Handler, which needs no socket.
func Example() {
	weights, err := inception.Random(inception.RandomConfig{Width: 0.1, Classes: 3, Size: 75})
	if err != nil {
		log.Fatal(err)
	}
	model, err := inception.ModelFromWeights(weights)
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := inception.NewClassifier(model, nn.Config{})
	if err != nil {
		log.Fatal(err)
	}
	server, err := serve.New(classifier, serve.Config{TopK: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = server.Close() }()

	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		log.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/invocations", &picture)
	request.Header.Set("Content-Type", "image/png")
	answer := httptest.NewRecorder()
	server.Handler().ServeHTTP(answer, request)
	fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	// Output: 200 application/json
}
