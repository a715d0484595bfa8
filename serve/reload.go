package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// reload opens the model at path with Config.Open and installs it. On an error the model before it
// stays.
func (s *Server) reload(ctx context.Context, path string) error {
	if s.cfg.Open == nil {
		return errors.New("serve: reload: Config.Open is not set")
	}
	c, err := s.cfg.Open(ctx, path)
	if err != nil {
		s.metrics.reloads.WithLabelValues("failed").Inc()
		return fmt.Errorf("serve: reload %s: %w", path, err)
	}
	if err := s.Install(ctx, c); err != nil {
		return errors.Join(fmt.Errorf("serve: reload %s: %w", path, err), c.Close())
	}
	return nil
}

// Watch looks at the model at path every so often and reloads it when it has changed since the
// given [Fingerprint] and stays as it is from one look to the next. A change that cannot be loaded
// is logged, and the model before it stays. Watch returns nil when ctx ends, and [ErrClosed] once the
// server is closed.
//
// Config.Fingerprint, where it is set, takes the place of Fingerprint. Take the fingerprint before the
// model is first opened: then no change is missed.
func (s *Server) Watch(ctx context.Context, path, since string, every time.Duration) error {
	if s.cfg.Open == nil {
		return errors.New("serve: watch: Config.Open is not set")
	}
	if every <= 0 {
		return fmt.Errorf("serve: watch: got an interval of %v, want more than 0", every)
	}
	fingerprint := s.cfg.Fingerprint
	if fingerprint == nil {
		fingerprint = Fingerprint
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	current, last := since, since
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if s.isClosed() {
			return fmt.Errorf("serve: watch %s: %w", path, ErrClosed)
		}
		now := fingerprint(path)
		if now == current || now != last || now == "" {
			last = now
			continue
		}
		current = now
		if err := s.reload(ctx, path); err != nil {
			s.cfg.Logger.Error("the changed model is not served", "error", err)
			continue
		}
		s.cfg.Logger.Info("the changed model is served")
	}
}

// Fingerprint sums up names, sizes and times of a model's files, and what links lead to, for
// [Server.Watch]; it is "" when they cannot be read, as between two renames.
func Fingerprint(path string) string {
	var b strings.Builder
	hasModel := false
	err := eachFile(path, func(name string, info fs.FileInfo) {
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			real = "" // it went meanwhile: another look
		}
		hasModel = hasModel || name == path || filepath.Base(name) == "model.json"
		fmt.Fprintf(&b, "%s %s %d %d\n", name, real, info.Size(), info.ModTime().UnixNano())
	})
	if err != nil || !hasModel {
		return ""
	}
	return b.String()
}

// eachFile calls do for each regular file of the model at path, a file or a folder, or what a link
// there leads to.
func eachFile(path string, do func(name string, info fs.FileInfo)) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return fmt.Errorf("serve: %s is neither a file nor a folder", path)
		}
		do(path, info)
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			do(name, info)
		}
	}
	return nil
}
