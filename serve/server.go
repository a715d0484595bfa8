package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// Server answers requests with a model's predictions. It is safe for
// concurrent use.
type Server struct {
	cfg      Config
	engine   *gin.Engine
	bodies   *budget
	stopping atomic.Bool

	mu      sync.Mutex
	current *model // nil until a model is installed
	closed  bool
}

// New returns a server for the classifier, which it owns from then on:
// [Server.Close] closes it. With a nil classifier the server answers 503 until
// [Server.Install] gives it one, so that a container can listen, and be pinged,
// while its model is still being read.
func New(c Classifier, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg.withDefaults()}
	s.engine = s.routes()
	if c != nil {
		if err := s.Install(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Install makes c the model that answers from now on. Requests that are under
// way finish with the model that they started with, which is closed after the
// last of them; none fails because of the change.
func (s *Server) Install(c Classifier) error {
	if c == nil {
		return errors.New("serve: Install: got a nil classifier, want a model")
	}
	next := newModel(c)
	s.mu.Lock()
	previous := s.current
	if s.closed {
		s.mu.Unlock()
		return errors.New("serve: Install: the server is closed")
	}
	s.current = next
	s.mu.Unlock()
	if previous != nil {
		previous.release()
	}
	return nil
}

// Handler returns the server's routes, for a test or for another http.Server.
func (s *Server) Handler() http.Handler { return s.engine }

// Ready reports whether a model is installed and the server is not stopping.
func (s *Server) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil && !s.stopping.Load()
}

// acquire returns the installed model, to be released by the caller.
func (s *Server) acquire() (*model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil, busy("the model is not loaded yet; try again when /ping answers 200")
	}
	s.current.acquire()
	return s.current, nil
}

// Serve answers on the listener until ctx ends. It then stops accepting, lets
// the requests that were accepted finish, for at most Config.ShutdownTimeout,
// and returns nil, or the error that kept it from ending in order. The listener
// is closed when Serve returns; the model is not, see [Server.Close].
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.engine,
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.RequestTimeout,
		WriteTimeout:      2 * s.cfg.RequestTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    s.cfg.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		_ = server.Close()
		err = fmt.Errorf("serve: requests were still running %v after the stop and were cut off: %w", s.cfg.ShutdownTimeout, err)
	}
	<-failed
	return err
}

// Close retires the model: it is closed once the requests that use it have
// finished. Call it after Serve has returned.
func (s *Server) Close() error {
	s.stopping.Store(true)
	s.mu.Lock()
	last := s.current
	s.current, s.closed = nil, true
	s.mu.Unlock()
	if last == nil {
		return nil
	}
	last.release()
	return last.wait()
}
