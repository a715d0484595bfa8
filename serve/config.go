package serve

import (
	"context"
	"crypto/tls"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/wrongfield"
)

// Defaults of [Config], in the units of its fields.
const (
	DefaultTopK              = 5
	DefaultMaxBodyBytes      = 32 << 20
	DefaultMaxHeaderBytes    = 32 << 10
	DefaultMaxRecords        = 4096
	DefaultMaxBatch          = 8
	DefaultMaxQueue          = 256
	DefaultMaxConnections    = 8192
	DefaultRequestTimeout    = 55 * time.Second
	DefaultReadHeaderTimeout = 5 * time.Second
	DefaultIdleTimeout       = 2 * time.Minute
	DefaultShutdownTimeout   = 25 * time.Second

	defaultMaxHeldBytes   = 512 << 20
	defaultMaxDecodeBytes = 1 << 30
	defaultLoadTimeout    = 6 * time.Minute
	defaultModelName      = "model"
)

// Config says how a [Server] behaves. The zero value works.
type Config struct {
	// TopK is how many labels an answer ranks when the request does not say. 0 means DefaultTopK; a
	// negative value means every label.
	TopK int

	// Compat is whose answers are given; "" is Rehead's own.
	Compat Compat

	// DefaultAccept is the type of the answer where Accept is absent or a wildcard:
	// "application/json" (also ""), "application/json;verbose", "application/jsonlines",
	// "text/csv" or "application/x-npy", in any of the spellings that Accept may have.
	DefaultAccept string

	// Batch says that the server runs a batch transform job: a picture that cannot be read is
	// answered by {"error": "..."} in its place, since a status of 4xx would lose every other
	// record of its file, and lines are answered by lines.
	Batch bool

	// BatchStrategy and MaxConcurrentTransforms are what GET /execution-parameters proposes. ""
	// means "MULTI_RECORD" (the SDK's local mode wants "MultiRecord"); 0 means as many as a batch
	// can use.
	BatchStrategy           string
	MaxConcurrentTransforms int

	// Placeholders answers {"error": "..."} in a bad picture's place outside batch transform too.
	Placeholders bool

	// Limits bound one picture: its bytes and its pixels. Zero fields take the defaults of package
	// picture.
	Limits picture.Limits

	// MaxBodyBytes bounds one request's body, in bytes, and MaxHeldBytes what all requests together
	// hold: bodies, what is read from them, and answers; 0 means DefaultMaxBodyBytes and 512 MB (at
	// least four bodies). A larger body is answered with 413, and one that finds no room with 503.
	MaxBodyBytes, MaxHeldBytes int64

	// MaxAnswerBytes bounds one answer, in bytes, by what it may take at most: a request that may
	// be answered by more is answered with 413 before any of its pictures is looked at. 0 means a
	// quarter of MaxHeldBytes.
	MaxAnswerBytes int64

	// MaxDecodeBytes bounds, roughly, what pictures take while they are decoded, all of them
	// together; 0 means 1 GB. Further ones wait.
	MaxDecodeBytes int64

	// MaxRecords bounds the pictures of one request; 0 means DefaultMaxRecords.
	MaxRecords int

	// MaxBatch is the most pictures in one forward pass; 0 means DefaultMaxBatch.
	MaxBatch int

	// MaxQueue is how many pictures may be waiting or under way before further requests are
	// answered with 503 and Retry-After; 0 means DefaultMaxQueue. A request whose wait would
	// outlast its deadline is refused earlier.
	MaxQueue int

	// RequestTimeout bounds one request from its header to its answer, the reading of its body and
	// its wait in the queue included. 0 means DefaultRequestTimeout, which is below the 60 s that
	// SageMaker waits.
	RequestTimeout time.Duration

	// ReadHeaderTimeout bounds the reading of a request's header, and IdleTimeout the wait of a
	// kept-alive connection for its next request; 0 means DefaultReadHeaderTimeout and
	// DefaultIdleTimeout.
	ReadHeaderTimeout, IdleTimeout time.Duration

	// DrainDelay is how long Serve goes on accepting after its context has ended, while /ping and
	// /readyz already answer 503 and connections are closed after their answers, so that a load
	// balancer can look elsewhere. 0 means not at all.
	DrainDelay time.Duration

	// ShutdownTimeout bounds how long Serve waits for the requests that it has accepted once its
	// context has ended. 0 means DefaultShutdownTimeout, which is below the 30 s that SageMaker
	// allows between SIGTERM and SIGKILL.
	ShutdownTimeout time.Duration

	// MaxHeaderBytes bounds a request's header, in bytes; 0 means DefaultMaxHeaderBytes.
	MaxHeaderBytes int

	// MaxConnections bounds the open connections; further ones wait to be accepted. 0 means
	// DefaultMaxConnections.
	MaxConnections int

	// Token, where it is not empty, is asked of every route but the health checks, as
	// "Authorization: Bearer TOKEN".
	Token string

	// TLS, where it is not nil, makes Serve speak TLS, 1.2 or later. It needs a certificate.
	TLS *tls.Config

	// Fetch, where it is not nil, lets records be URLs. By default none is fetched.
	Fetch *FetchConfig

	// ModelName is what the model is called in the routes under /v1/models and /v2/models, printable
	// characters without / \ % ? #; "" means "model". Version is the tool's.
	ModelName, Version string

	// Page adds the page for people at / with the routes that it uses: POST /v1/explain and GET
	// /v1/model. They show what the model's metrics and, where it keeps some, its training pictures
	// are. With a Token the page's own files are open, and it asks for the token.
	Page bool

	// Open loads a model by its path, for [Server.Watch] and the routes under /models.
	Open func(ctx context.Context, path string) (Classifier, error)

	// Fingerprint changes whenever the model at path does, for [Server.Watch]; "" where it cannot be told
	// now. nil means the function [Fingerprint], which knows files on disk.
	Fingerprint func(path string) string

	// MultiModel adds SageMaker's routes under /models, which load and unload models below the
	// folder ModelRoot ("" means any folder) within MemoryBudget bytes (0 means no bound). The
	// server is then ready with no model loaded.
	MultiModel   bool
	ModelRoot    string
	MemoryBudget int64

	// Logger takes the access log and what the server has to say of itself. Nil means that nothing
	// is logged. Of a request only its id, route, sizes, times, status, the digest of its body and
	// the name of the loaded model that it asked are logged.
	Logger *slog.Logger

	// Registerer, where it is not nil, is told of the server's metrics, which GET /metrics shows in any
	// case, so that a program's own page of metrics has them too; but not of those of the process,
	// which such a program has already. Close takes them back.
	Registerer prometheus.Registerer

	// What a test may say of how pictures meet the network: how many forward passes run at once (0:
	// 1, which suits a network that uses every core by itself), how many pictures are decoded at
	// once while no pass runs (0: GOMAXPROCS), how many while one does (0: as many as the network
	// leaves cores idle), and how long the loading of one of many models takes at most.
	passes, decoders, decodersBeside int
	loadTimeout                      time.Duration
}

// Validate returns an error that names the first field that is out of range.
func (c Config) Validate() error {
	if err := c.validateNumbers(); err != nil {
		return err
	}
	switch c.Compat {
	case CompatNone, CompatBuiltin, CompatTFBlog:
	default:
		return wrongfield.Errorf("serve: config", "Compat",
			"got %q, want %q, %q or none", c.Compat, CompatBuiltin, CompatTFBlog)
	}
	answers := []string{typeJSON, typeVerboseJSON, typeJSONLines, typeCSV, typeNPY}
	if c.DefaultAccept != "" && !slices.Contains(answers, canonicalType(c.DefaultAccept)) {
		return wrongfield.Errorf("serve: config", "DefaultAccept", "got %q, want one of %q", c.DefaultAccept, answers)
	}
	if c.ModelName != "" && !routable(c.ModelName) {
		return wrongfield.Errorf("serve: config", "ModelName", "got %q, want %s", c.ModelName, routableNames)
	}
	if c.MultiModel && c.Open == nil {
		return wrongfield.Errorf("serve: config", "Open",
			"got none, want a function that loads models, since MultiModel is set")
	}
	if c.TLS != nil && len(c.TLS.Certificates) == 0 && c.TLS.GetCertificate == nil && c.TLS.GetConfigForClient == nil {
		return wrongfield.Errorf("serve: config", "TLS", "got no certificate, want one in Certificates or GetCertificate")
	}
	if c.Fetch != nil {
		return c.Fetch.validate()
	}
	return nil
}

// maxCount bounds what channels have room for.
const maxCount = 1 << 20

func (c Config) validateNumbers() error {
	if most := max(c.MaxRecords, c.MaxBatch, c.MaxQueue, c.MaxConnections); most > maxCount {
		return wrongfield.Errorf("serve: config", "MaxRecords, MaxBatch, MaxQueue and MaxConnections",
			"got %d, want at most %d", most,
			maxCount)
	}
	numbers := []struct {
		name  string
		value int64
	}{
		{"RequestTimeout", int64(c.RequestTimeout)},
		{"ReadHeaderTimeout", int64(c.ReadHeaderTimeout)},
		{"IdleTimeout", int64(c.IdleTimeout)},
		{"DrainDelay", int64(c.DrainDelay)},
		{"ShutdownTimeout", int64(c.ShutdownTimeout)},
		{"MaxBodyBytes", c.MaxBodyBytes},
		{"MaxHeldBytes", c.MaxHeldBytes},
		{"MaxAnswerBytes", c.MaxAnswerBytes},
		{"MaxDecodeBytes", c.MaxDecodeBytes},
		{"MaxHeaderBytes", int64(c.MaxHeaderBytes)},
		{"MaxRecords", int64(c.MaxRecords)},
		{"MaxBatch", int64(c.MaxBatch)},
		{"MaxQueue", int64(c.MaxQueue)},
		{"MaxConnections", int64(c.MaxConnections)},
		{"MaxConcurrentTransforms", int64(c.MaxConcurrentTransforms)},
		{"MemoryBudget", c.MemoryBudget},
		{"Limits.MaxBytes", c.Limits.MaxBytes},
		{"Limits.MaxPixels", c.Limits.MaxPixels},
	}
	for _, n := range numbers {
		if n.value < 0 {
			return wrongfield.Errorf("serve: config", n.name, "got %d, want 0 for the default or a positive value", n.value)
		}
	}
	if c.MaxBodyBytes > maxBodyBytes {
		return wrongfield.Errorf("serve: config", "MaxBodyBytes",
			"got %d, want at most %d", c.MaxBodyBytes, int64(maxBodyBytes))
	}
	return nil
}

// maxBodyBytes is more than any of SageMaker's payloads (1 GB, asynchronous).
const maxBodyBytes = 4 << 30

// withDefaults returns c with its zero fields replaced.
func (c Config) withDefaults() Config {
	setDefault(&c.TopK, DefaultTopK)
	setDefault(&c.MaxBodyBytes, DefaultMaxBodyBytes)
	setDefault(&c.MaxHeldBytes, max(defaultMaxHeldBytes, 4*c.MaxBodyBytes))
	setDefault(&c.MaxAnswerBytes, c.MaxHeldBytes/4)
	setDefault(&c.MaxDecodeBytes, defaultMaxDecodeBytes)
	setDefault(&c.MaxHeaderBytes, DefaultMaxHeaderBytes)
	setDefault(&c.MaxRecords, DefaultMaxRecords)
	setDefault(&c.MaxBatch, DefaultMaxBatch)
	setDefault(&c.MaxQueue, DefaultMaxQueue)
	setDefault(&c.MaxConnections, DefaultMaxConnections)
	setDefault(&c.passes, 1)
	setDefault(&c.decoders, runtime.GOMAXPROCS(0))
	setDefault(&c.RequestTimeout, DefaultRequestTimeout)
	setDefault(&c.loadTimeout, defaultLoadTimeout)
	setDefault(&c.ReadHeaderTimeout, DefaultReadHeaderTimeout)
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.ShutdownTimeout, DefaultShutdownTimeout)
	setDefault(&c.ModelName, defaultModelName)
	setDefault(&c.BatchStrategy, "MULTI_RECORD")
	c.DefaultAccept = canonicalType(c.DefaultAccept)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
