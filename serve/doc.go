// Package serve answers HTTP requests with the predictions of a Rehead model.
//
// # Purpose
//
// A [Server] speaks the contract of a SageMaker inference container, that of its multi-model
// endpoints, and the Open Inference Protocol. It is an ordinary [http.Handler], so a test needs no
// socket; [Server.Serve] puts that handler behind an [http.Server] with every time-out set, and
// drains it when its context ends.
//
// In a program of its own, [Server.Handler] is mounted below any path of any router, its log and metrics
// go where Config.Logger and Config.Registerer say, and [Server.Drain] and [Server.Close] end it. A
// Server changes nothing that belongs to the whole program: not gin's mode (see [Quiet]), nor the
// default registry, logger, mux or signals.
//
// # Routes
//
//	GET, POST /ping                200 when a model is installed, else 503; no body
//	GET /livez, /readyz            the process answers; a model is installed
//	POST /invocations              pictures in, ranked labels out
//	GET /execution-parameters      what a batch transform job asks
//	GET /metrics                   Prometheus
//	GET /openapi.json              the routes of this server in OpenAPI 3.1
//	/models...                     with Config.MultiModel: load, list, show, unload, invoke
//	/v2...                         Open Inference Protocol: health, metadata, config, stats, index, infer
//	/v1/models...                  KServe's first protocol: list, readiness, NAME:predict
//
// Every GET has its HEAD.
//
// With Config.Page there is also a page for people, with what it asks for:
//
//	GET /, /page.css, /page.js  the page, under a Content-Security-Policy of its own files alone
//	POST /v1/explain            a picture in; ranking, activation maps, nearest pictures out
//	GET /v1/model               labels, recipe, trunk, device and kernel, metrics
//
// /v1/explain takes the options of /invocations and keeps its token, limits, queue and deadline.
// The mean of a map's cells plus its bias is the label's logit; grid says where on the picture the
// cells lie.
//
// # Invocations
//
// A body holds one picture or many:
//
//	image/*, application/x-image, application/octet-stream, file-path/raw-bytes, or no type:
//	                       a picture's bytes
//	application/json       {"b64": "..."}, {"instances": [...]} or {"inputs": ...}
//	application/jsonlines  an instance a line
//	text/csv               a picture a row, in base64; "; header=present" passes the first over
//	multipart/form-data    each file is a picture, each other field an option
//	application/x-npy      NumPy's array [N,H,W,3] or [H,W,3]: decoded pictures, upright, of 0..255
//	text/plain             a picture's URL, with CompatTFBlog only
//
// An instance is a base64 string, {"b64": "..."}, an input of any name with either, or, where
// Config.Fetch allows it, {"url": "..."}.
//
// Accept chooses the answer. By default a picture is answered by the record {"predictions":
// [{"label": "...", "probability": 0.98}, ...]}, best first. {"instances": [...]} is answered by
// {"predictions": [record, ...]}, inputs by {"outputs": [record, ...]}, several files as instances
// are. As JSON Lines and CSV there is a record a line. application/json;verbose gives
// {"probabilities": [...], "labels": [...], "predicted_label": "..."} in the order of the classes;
// application/x-npy is NumPy's array of the probabilities, [N,K] of float64 in that order, and NaN for a
// picture that cannot be read where others keep their answers.
// Where the model tells, records have "unknown" or, of several labels, those that the picture has.
// [Compat] chooses the records of other containers.
//
// The options top_k (0: every label), embedding (true: the bottleneck too) and explain (true:
// activation maps of the top_k labels too, as /v1/explain gives them; training pictures only where
// Config.Page shows them anyway) come in the query, as rehead-top-k=3 and rehead-embedding=true in
// X-Amzn-SageMaker-Custom-Attributes, as fields of a form, or in the "parameters" of a JSON body.
//
// # Errors
//
// An error answer is {"error": "one sentence"}; under /models it has code, type and message. A
// status of 4xx means that the request is at fault and 5xx that the server is:
//
//	400  the picture or the body cannot be read
//	401  the bearer token is missing
//	404  no such route or model
//	406  no form of answer named by Accept can be given
//	408  the body arrived too slowly
//	409  a model of that name is loaded already
//	413  the body, the answer, or the picture in bytes or pixels, is over its limit
//	415  the content type, or the picture's format, is not supported
//	422  a tensor is finite and the network's answer for it is not
//	424  a picture could not be fetched from its host
//	500  the forward pass failed; the log says why, under the request's id
//	503  not ready, stopping, or too busy (with Retry-After)
//	504  the request's deadline passed
//	507  the memory budget has no room for another model
//
// One bad record fails its request, unless Config.Batch or Config.Placeholders has {"error": "..."}
// stand in its place.
//
// # How pictures meet the network
//
// Requests decode in parallel, as many at once as there are cores, and share forward passes. A lone
// picture runs at once; pictures that arrive while a pass runs are decoded after it and run
// together. The bytes of all bodies and answers, the memory of all decoders and the length of the
// queue are bounded; what finds no room is answered with 503 rather than kept, and what never could
// with 413. A body takes room as it arrives, parsing it takes its records and no more, and the most
// that an answer takes is known, and taken, before its pictures are looked at. Of everything a
// share is kept for what is small: small pictures pass large ones that wait, and a request of one
// picture those of many. A request that ends, by its deadline or because its client has left, is
// parsed and answered no further, leaves the queue, and ends its pass when no other request waits
// for it.
//
// The recipe in the model decodes exactly as in training, and a picture's result never depends on
// its neighbours in a batch, so the probabilities of a server and of `rehead predict` are the same
// float64 values.
//
// # Concurrency
//
// A Server is safe for concurrent use. It starts goroutines for each installed model, which end
// with the model; none outlives [Server.Close].
//
// # Size
//
// The routes are gin's. Build with -tags nomsgpack: gin then leaves out MessagePack, which no route
// here takes or gives, and the program is 6 MB smaller.
package serve
