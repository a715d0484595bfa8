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
// is logged, and the model before it stays. Watch returns when ctx ends.
//
// Take the fingerprint before the model is first opened: then no change is missed.
func (s *Server) Watch(ctx context.Context, path, since string, every time.Duration) error {
	if s.cfg.Open == nil {
		return errors.New("serve: watch: Config.Open is not set")
	}
	if every <= 0 {
		return fmt.Errorf("serve: watch: got an interval of %v, want more than 0", every)
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
		now := Fingerprint(path)
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

// Fingerprint sums up names, sizes and times of a model's files, for [Server.Watch]; it is "" when
// they cannot be read, as between two renames.
func Fingerprint(path string) string {
	var b strings.Builder
	if info, err := os.Stat(path); err != nil || info.IsDir() && !isFile(filepath.Join(path, "model.json")) {
		return ""
	}
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		return ""
	}
	return b.String()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
