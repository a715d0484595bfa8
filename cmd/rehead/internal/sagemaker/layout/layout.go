// Package layout knows where SageMaker keeps a job's files: below /opt/ml, or another base folder.
//
// A missing or empty configuration file counts as one without entries, so that `docker run` on a
// laptop needs none of them.
package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/internal/strictjson"
)

// Tree is the tree of folders below its base.
type Tree string

// Default is the base in the service.
const Default Tree = "/opt/ml"

// Path joins parts to the base.
func (t Tree) Path(parts ...string) string {
	return filepath.Join(append([]string{string(t)}, parts...)...)
}

// Model is the folder that is uploaded as model.tar.gz.
func (t Tree) Model() string { return t.Path("model") }

// Checkpoints is a folder that outlives the job; it is there only when checkpoints were asked for.
func (t Tree) Checkpoints() string { return t.Path("checkpoints") }

// HasCheckpoints reports whether checkpoints were asked for.
func (t Tree) HasCheckpoints() bool {
	info, err := os.Stat(t.Checkpoints())
	return err == nil && info.IsDir()
}

// Failure is the file whose first 1,024 characters become FailureReason.
func (t Tree) Failure() string { return t.Path("output", "failure") }

// Data is the folder of a channel's files.
func (t Tree) Data(channel string) string { return t.Path("input", "data", channel) }

// Config is the path of a configuration file.
func (t Tree) Config(file string) string { return t.Path("input", "config", file) }

// Present reports whether the base holds a training job's input.
func (t Tree) Present() bool {
	_, err := os.Stat(t.Path("input"))
	return err == nil
}

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 1 << 20

// ReadJSON decodes a file into v; a missing or empty one leaves v alone.
func ReadJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(strings.TrimSpace(string(data))) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sagemaker: %w", err)
	}
	if len(data) > maxConfig {
		return fmt.Errorf("sagemaker: %s: %d bytes, want at most %d", path, len(data), maxConfig)
	}
	err = json.Unmarshal(strictjson.TrimMark(data), v)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("sagemaker: %s: %q is of another type: got a JSON %s", path, kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("sagemaker: %s: got a JSON %s, want an object", path, kind.Value)
	case err != nil:
		return fmt.Errorf("sagemaker: %s: %w", path, err)
	}
	return nil
}
