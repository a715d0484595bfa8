package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// ClearFailure removes the reason of an earlier run in the same folder, which a laptop may have.
func (t Tree) ClearFailure() error {
	if err := os.Remove(t.Failure()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sagemaker: failure file: %w", err)
	}
	return nil
}

// WriteFailure leaves the reason of a failure where the service looks for it, unless one is there
// already.
func (t Tree) WriteFailure(reason string) error {
	const most = 1024 // characters that the service shows
	if utf8.RuneCountInString(reason) > most {
		reason = string([]rune(reason)[:most])
	}
	if err := os.MkdirAll(filepath.Dir(t.Failure()), 0o755); err != nil {
		return fmt.Errorf("sagemaker: failure file: %w", err)
	}
	f, err := os.OpenFile(t.Failure(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sagemaker: failure file: %w", err)
	}
	_, err = f.WriteString(reason)
	return errors.Join(err, f.Close())
}
