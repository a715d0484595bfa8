// Package channels finds a job's pictures, weights and older model in its input channels.
package channels

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
)

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

// Set is a job's channels by name.
type Set map[string]Channel

// Sharded are the folders of the channels of which each host has other objects. One that every host has to
// have whole, or that comes as a stream, is an error.
func (s Set) Sharded() (dirs []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		c := s[name]
		if !c.Sharded() {
			continue
		}
		why := ""
		switch {
		case c.Pipe():
			why = "in Pipe mode, where its files have no names"
		case name == "weights", name == "model", strings.HasSuffix(name, "_lst"), programs(name):
			why = "no channel of pictures, and every host needs all of it"
		}
		if why != "" {
			return nil, fmt.Errorf("train: channel %q is ShardedByS3Key, but %s: set its S3DataDistributionType to "+
				"FullyReplicated", name, why)
		}
		dirs = append(dirs, c.Dir)
	}
	return dirs, nil
}

// Read lists the job's channels: those of inputdataconfig.json, or without it the folders of
// input/data.
func Read(tree layout.Tree) (Set, error) {
	path := tree.Config("inputdataconfig.json")
	channels := Set{}
	if err := layout.ReadJSON(path, &channels); err != nil {
		return nil, err
	}
	if len(channels) == 0 {
		entries, err := os.ReadDir(tree.Path("input", "data"))
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
		c.Name, c.Dir = name, tree.Data(name)
		channels[name] = c
	}
	return channels, nil
}

// File is the only file of a channel, but for hidden ones and .txt; "" where the job does not have
// the channel.
func (s Set) File(name string) (string, error) {
	c, ok := s[name]
	if !ok {
		return "", nil
	}
	if c.Pipe() {
		return "", fmt.Errorf("train: channel %q is in Pipe mode: set its TrainingInputMode to File", name)
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return "", fmt.Errorf("train: channel %s: %w", name, err)
	}
	var files []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(e.Name(), ".txt") {
			files = append(files, filepath.Join(c.Dir, e.Name()))
		}
	}
	if len(files) != 1 {
		return "", fmt.Errorf("train: channel %s holds %d files in %s, want one", name, len(files), c.Dir)
	}
	return files[0], nil
}

// Model finds the model to begin at in the channel model: a model folder, or its only file, such as
// model.tar.gz.
func (s Set) Model() (string, error) {
	if c, ok := s["model"]; ok && !c.Pipe() {
		if _, err := os.Stat(filepath.Join(c.Dir, "model.json")); err == nil {
			return c.Dir, nil
		}
	}
	return s.File("model")
}
