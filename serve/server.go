package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/c236555e/rehead/inception"
)

// ErrClosed is found by errors.Is in what [Server.Install], [Server.Serve] and [Server.Watch] return of a
// server that is closed.
var ErrClosed = errors.New("the server is closed")

// Server answers requests with a model's predictions. It is safe for concurrent use.
type Server struct {
	cfg      Config
	engine   *gin.Engine
	pipeline *pipeline
	metrics  *metrics
	bodies   *budget
	open     map[string]bool // patterns that ask for no token
	health   map[string]bool // patterns whose log lines are for debugging
	stopping atomic.Bool

	mu      sync.Mutex
	current *model            // nil until a model is installed
	models  map[string]*model // loaded by name; nil while one is loading
	memory  int64             // bytes of the models by name, those on their way included
	closed  bool
}

// New returns a server for the classifier, which it owns from then on, if New returns no error:
// [Server.Close] closes it. With a nil classifier the server answers 503 until [Server.Install]
// gives it one, so that a container can listen, and be pinged, while its model is still being read.
func New(c Classifier, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg.withDefaults(), models: make(map[string]*model)}
	s.bodies = &budget{limit: s.cfg.MaxHeldBytes}
	s.metrics = newMetrics(s)
	s.pipeline = newPipeline(s.cfg, s.metrics)
	s.engine = s.routes()
	if err := s.metrics.register(s.cfg.Registerer); err != nil {
		return nil, err
	}
	if given(c) {
		if err := s.Install(context.Background(), c); err != nil {
			s.metrics.unregister()
			return nil, err
		}
	}
	return s, nil
}

// given says whether there is a classifier, and not a nil in an interface.
func given(c Classifier) bool {
	v := reflect.ValueOf(c)
	return c != nil && (v.Kind() != reflect.Pointer || !v.IsNil())
}

// Install makes c the model that answers from now on, if it passes its own check; otherwise it says
// why not, the model before it stays, and c is the caller's. Requests that are under way finish
// with the model that they started with, which is closed after the last of them: none fails by the
// change.
func (s *Server) Install(ctx context.Context, c Classifier) error {
	if !given(c) {
		return errors.New("serve: install: got a nil classifier, want a model")
	}
	if s.isClosed() {
		return fmt.Errorf("serve: install: %w", ErrClosed)
	}
	if err := c.Check(ctx); err != nil {
		s.metrics.reloads.WithLabelValues("failed").Inc()
		return fmt.Errorf("serve: install: the model fails its self-test and is not served: %w", err)
	}
	next := newModel(s.cfg.ModelName, c, s.pipeline)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		next.abandon()
		return fmt.Errorf("serve: install: %w", ErrClosed)
	}
	previous := s.current
	s.current = next
	s.mu.Unlock()
	s.metrics.reloads.WithLabelValues("ok").Inc()
	s.leaveDecoders(c)
	if previous != nil {
		previous.release()
	}
	return nil
}

// leaveDecoders lets as many pictures be decoded while the network runs as it leaves processors
// idle, unless the Config says how many.
func (s *Server) leaveDecoders(c Classifier) {
	network, ok := c.(interface{ Trunk() *inception.Trunk })
	if ok && s.cfg.decodersBeside == 0 {
		s.pipeline.turns.SetBeside(network.Trunk().DecodersBeside(s.cfg.decoders, s.cfg.passes))
	}
}

// Handler returns the server's routes, for a test or for another program's http.Server. Below a path
// of that program's router it stands behind [http.StripPrefix]. It needs neither Serve nor a socket.
func (s *Server) Handler() http.Handler { return s.engine }

// isClosed reports whether Close was called.
func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// ready reports whether a model is installed (or, with Config.MultiModel, may be loaded) and the
// server is not stopping.
func (s *Server) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.stopping.Load() && (s.current != nil || s.cfg.MultiModel)
}

// acquire returns the installed model, to be released by the caller.
func (s *Server) acquire() (*model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil && s.cfg.MultiModel {
		return nil, fail(http.StatusNotFound,
			"this server answers with models loaded by name: POST /models loads one, and its pictures go to "+
				"POST /models/NAME/invoke")
	}
	if s.current == nil {
		return nil, busy("the model is not loaded yet; try again when /ping answers 200")
	}
	s.current.acquire()
	return s.current, nil
}

// Serve answers on the listener until ctx ends. It then stops accepting, lets the requests that
// were accepted finish, for at most Config.ShutdownTimeout, and returns nil, or the error that kept
// it from ending in order. The listener is closed when Serve returns; the model is not, see
// [Server.Close].
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	if listener == nil {
		return errors.New("serve: got no listener")
	}
	if s.isClosed() {
		return errors.Join(fmt.Errorf("serve: %s: %w", listener.Addr(), ErrClosed), listener.Close())
	}
	server := &http.Server{
		Handler:           s.engine,
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.RequestTimeout,
		WriteTimeout:      2 * s.cfg.RequestTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    s.cfg.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	limited := limitConnections(listener, s.cfg.MaxConnections)
	failed := make(chan error, 1)
	go func() {
		if s.cfg.TLS == nil {
			failed <- server.Serve(limited)
			return
		}
		server.TLSConfig = s.cfg.TLS.Clone()
		server.TLSConfig.MinVersion = max(server.TLSConfig.MinVersion, tls.VersionTLS12)
		failed <- server.ServeTLS(limited, "", "")
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	since := time.Now()
	s.cfg.Logger.Info("stopping", "drain_ms", s.cfg.DrainDelay.Milliseconds(), "shutdown_ms",
		s.cfg.ShutdownTimeout.Milliseconds())
	defer func() { s.cfg.Logger.Info("stopped", "ms", time.Since(since).Milliseconds()) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %s: %w", listener.Addr(), err)
	case <-time.After(s.cfg.DrainDelay):
	}
	return s.shutdown(ctx, server, failed)
}

// shutdown waits for the accepted requests, and cuts off those that outlast it.
func (s *Server) shutdown(ctx context.Context, server *http.Server, failed <-chan error) error {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	err := server.Shutdown(drain) // failed receives http.ErrServerClosed
	if err != nil {
		_ = server.Close()
		err = fmt.Errorf("serve: requests were still running %v after the stop and were cut off: %w",
			s.cfg.ShutdownTimeout, err)
	}
	if ended := <-failed; err == nil && !errors.Is(ended, http.ErrServerClosed) {
		err = fmt.Errorf("serve: %w", ended)
	}
	return err
}

// Drain takes the server out of rotation: from now on /ping, /readyz and their like answer 503, and
// connections are closed after their answers, while pictures are answered as before. A program that
// runs the http.Server itself calls it first when it stops, gives the load balancer time to look
// elsewhere, then calls http.Server.Shutdown and Close. Serve does all this by itself.
func (s *Server) Drain() { s.stopping.Store(true) }

// Close retires the models: each is closed once the requests that use it have finished, which Close
// waits for. Call it after Serve, or http.Server.Shutdown, has returned. Afterwards the routes answer
// 503, but for /livez and /metrics; Config.Registerer knows the server no more. Later calls do nothing.
func (s *Server) Close() error {
	s.stopping.Store(true)
	s.metrics.unregister()
	s.mu.Lock()
	var last []*model
	if s.current != nil {
		last = append(last, s.current)
	}
	for _, m := range s.models {
		if m != nil {
			last = append(last, m)
		}
	}
	s.current, s.closed = nil, true
	clear(s.models)
	s.mu.Unlock()
	var errs []error
	for _, m := range last {
		m.release()
		errs = append(errs, m.wait())
	}
	if s.pipeline.fetch != nil {
		s.pipeline.fetch.close()
	}
	return errors.Join(errs...)
}
