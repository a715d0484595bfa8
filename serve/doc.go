// Package serve answers HTTP requests with the predictions of a Rehead model.
//
// # Purpose
//
// A [Server] speaks the contract of a SageMaker inference container: GET /ping
// says whether the model is loaded, POST /invocations takes a picture and
// answers its labels ranked by probability. It is an ordinary [http.Handler],
// so a test needs no socket; [Server.Serve] puts that handler behind an
// [http.Server] with every time-out set, and drains it when its context ends.
//
// # Layout
//
// Nothing here touches tensors by hand. A request's bytes go to the
// [Classifier], whose recipe decodes and resizes them exactly as in training,
// so the probabilities of a server and of `rehead predict` are the same
// float64 values. Probabilities lie in 0..1, times are [time.Duration], sizes
// are bytes, and a picture's size is a count of pixels.
//
// # Concurrency
//
// A Server is safe for concurrent use. It starts no goroutine that outlives
// [Server.Close].
//
// # Errors
//
// An error answer is a JSON object {"error": "one sentence"}. A status of 4xx
// means that the request is at fault and 5xx that the server is:
//
//	400  the picture or the body cannot be read
//	406  no form of answer named by Accept can be given
//	408  the body arrived too slowly
//	413  the body, or the picture in pixels, is over its limit
//	415  the content type, or the picture's format, is not supported
//	500  the forward pass failed
//	503  not ready, stopping, or too busy (with Retry-After)
//	504  the request's deadline passed
package serve
