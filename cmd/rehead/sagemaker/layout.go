package sagemaker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/c236555e/rehead/internal/strictjson"
)

// Layout is the tree of folders below the base, /opt/ml in the service.
type Layout string

// Path joins parts to the base.
func (l Layout) Path(parts ...string) string {
	return filepath.Join(append([]string{string(l)}, parts...)...)
}

// The places that matter.
func (l Layout) Model() string      { return l.Path("model") }          // what is uploaded as model.tar.gz
func (l Layout) OutputData() string { return l.Path("output", "data") } // uploaded as output.tar.gz
// there only when checkpoints were asked for
func (l Layout) Checkpoints() string { return l.Path("checkpoints") }

// its first 1,024 characters become FailureReason
func (l Layout) Failure() string        { return l.Path("output", "failure") }
func (l Layout) Data(c string) string   { return l.Path("input", "data", c) } // a channel's files
func (l Layout) config(f string) string { return l.Path("input", "config", f) }

// Present reports whether the base holds a training job's input.
func (l Layout) Present() bool {
	_, err := os.Stat(l.Path("input"))
	return err == nil
}

// Channel is one input of a training job.
type Channel struct {
	Name         string `json:"-"`
	Dir          string `json:"-"` // in Pipe mode the pipes are beside it: Dir_0, Dir_1...
	InputMode    string `json:"TrainingInputMode"`
	ContentType  string `json:"ContentType"`
	Wrapper      string `json:"RecordWrapperType"`
	Distribution string `json:"S3DistributionType"`
}

// Pipe reports whether the channel comes through a named pipe.
func (c Channel) Pipe() bool { return strings.EqualFold(c.InputMode, "Pipe") }

// RecordIO reports whether what comes through the pipe is RecordIO: the objects' own format, or
// what the service wraps them in.
func (c Channel) RecordIO() bool {
	return strings.EqualFold(c.Wrapper, "RecordIO") || strings.Contains(strings.ToLower(c.ContentType), "x-recordio")
}

// Sharded reports whether each host of the job has other objects.
func (c Channel) Sharded() bool { return strings.EqualFold(c.Distribution, "ShardedByS3Key") }

// Channels lists the job's inputs by name: those of inputdataconfig.json, or without it the folders
// of input/data.
func (l Layout) Channels() (map[string]Channel, error) {
	path := l.config("inputdataconfig.json")
	channels := map[string]Channel{}
	if err := readJSON(path, &channels); err != nil {
		return nil, err
	}
	if len(channels) == 0 {
		entries, err := os.ReadDir(l.Path("input", "data"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("sagemaker: channels: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				channels[e.Name()] = Channel{}
			}
		}
	}
	for name, c := range channels {
		if strings.EqualFold(c.Wrapper, "RecordIO") && !c.Pipe() {
			return nil, fmt.Errorf("sagemaker: %s: channel %q has RecordWrapperType RecordIO, which the service applies in "+
				"Pipe mode only: leave it out", path, name)
		}
		c.Name, c.Dir = name, l.Data(name)
		channels[name] = c
	}
	return channels, nil
}

// Hosts is resourceconfig.json.
type Hosts struct {
	Current string   `json:"current_host"`
	All     []string `json:"hosts"`
}

// Hosts reads which host this is and how many there are.
func (l Layout) Hosts() (Hosts, error) {
	var h Hosts
	if err := readJSON(l.config("resourceconfig.json"), &h); err != nil {
		return Hosts{}, err
	}
	slices.Sort(h.All)
	if h.Rank() < 0 && (len(h.All) > 1 || len(h.All) == 1 && h.Current != "") {
		return Hosts{}, fmt.Errorf("sagemaker: resourceconfig.json: current_host %q is not among hosts (%s)", h.Current,
			strings.Join(h.All, ", "))
	}
	return h, nil
}

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 1 << 20

// readJSON decodes a file into v; a missing or empty one leaves v alone.
func readJSON(path string, v any) error {
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

// ClearFailure removes the reason of an earlier run in the same folder, which a laptop may have.
func (l Layout) ClearFailure() error {
	if err := os.Remove(l.Failure()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sagemaker: failure file: %w", err)
	}
	return nil
}

// WriteFailure leaves the reason of a failure where the service looks for it, unless one is there
// already.
func (l Layout) WriteFailure(reason string) error {
	const most = 1024 // characters that the service shows
	if utf8.RuneCountInString(reason) > most {
		reason = string([]rune(reason)[:most])
	}
	if err := os.MkdirAll(filepath.Dir(l.Failure()), 0o755); err != nil {
		return fmt.Errorf("sagemaker: failure file: %w", err)
	}
	f, err := os.OpenFile(l.Failure(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sagemaker: failure file: %w", err)
	}
	_, err = f.WriteString(reason)
	return errors.Join(err, f.Close())
}
