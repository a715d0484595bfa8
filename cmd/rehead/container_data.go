package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/cmd/rehead/sagemaker"
)

// data finds the job's pictures in its channels: label folders, manifests or RecordIO.
func (j *job) data(ctx context.Context) error {
	name, err := trainingChannel(j.layout, j.channels)
	if err != nil {
		return err
	}
	if j.dir, err = j.pictures(ctx, name); err != nil {
		return err
	}
	if j.o.classes != "" {
		if j.o.classes, err = j.beside(j.o.classes, name+"_lst", name); err != nil {
			return err
		}
	}
	if j.o.validationDir, err = j.pictures(ctx, "validation"); err != nil {
		return err
	}
	j.o.testDir, err = j.pictures(ctx, "test")
	return err
}

// besides are the channels that hold no pictures to train on.
var besides = []string{"validation", "test", "model", "weights"}

// trainingChannel names the channel of the pictures: train or training, else the only one that can
// be meant.
func trainingChannel(l sagemaker.Layout, channels map[string]sagemaker.Channel) (string, error) {
	var names []string
	for name := range channels {
		if name == "train" || name == "training" {
			return name, nil
		}
		if !slices.Contains(besides, name) && !strings.HasSuffix(name, "_lst") {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return names[0], nil
	}
	found := "none at all"
	if len(names) > 0 {
		found = strings.Join(slices.Sorted(slices.Values(names)), ", ")
	}
	return "", fmt.Errorf("train: no channel named train or training below %s (found: %s): give the label folders as one",
		l.Path("input", "data"), found)
}

// pictures is the folder or manifest of a channel, "" where the job has no such channel.
func (j *job) pictures(ctx context.Context, name string) (string, error) {
	c, ok := j.channels[name]
	if !ok {
		return "", nil
	}
	if c.Pipe() {
		if !c.RecordIO() {
			return "", fmt.Errorf("train: channel %q is in Pipe mode, where files come as one stream without their names: set "+
				"its TrainingInputMode to File or FastFile, or send RecordIO", name)
		}
		return j.extract(ctx, name, []string{c.Dir + "_0"})
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return "", fmt.Errorf("train: channel %q: %w", name, err)
	}
	if records := withSuffix(c.Dir, entries, ".rec"); len(records) > 0 {
		return j.extract(ctx, name, records)
	}
	if _, ok := j.channels[name+"_lst"]; ok {
		list, err := channelFile(j.channels, name+"_lst")
		return j.manifest(list, c.Dir), err
	}
	switch j.settings.manifest {
	case "none":
		return c.Dir, nil
	case "":
		lists := withSuffix(c.Dir, entries, ".lst", ".csv", ".jsonl", ".manifest")
		switch len(lists) {
		case 0:
			return c.Dir, nil
		case 1:
			j.say("channel %s: reading the manifest %s; hyperparameter manifest=none reads label folders instead", name,
				filepath.Base(lists[0]))
			return j.manifest(lists[0], c.Dir), nil
		}
		return "", fmt.Errorf("train: channel %q holds %d manifests, among them %s: name one in the "+
			"hyperparameter manifest, or none", name, len(lists), filepath.Base(lists[0]))
	}
	list, err := j.beside(j.settings.manifest, name)
	return j.manifest(list, c.Dir), err
}

// manifest has the pictures of list looked up below root.
func (j *job) manifest(list, root string) string {
	if j.o.roots == nil {
		j.o.roots = map[string]string{}
	}
	j.o.roots[list] = root
	return list
}

// extract unpacks RecordIO streams and returns the manifest of their pictures.
func (j *job) extract(ctx context.Context, name string, streams []string) (string, error) {
	scratch, err := j.scratchDir()
	if err != nil {
		return "", err
	}
	j.say("channel %s: unpacking RecordIO", name)
	list, err := sagemaker.Extract(ctx, streams, filepath.Join(scratch, "records", name))
	if err != nil {
		return "", fmt.Errorf("train: channel %q: %w", name, err)
	}
	return list, nil
}

// beside finds a file that a hyperparameter names, in the first of these channels that has it.
func (j *job) beside(file string, channels ...string) (string, error) {
	if !filepath.IsLocal(file) {
		return "", fmt.Errorf("train: %q: want the name of a file in a channel, such as labels.txt", file)
	}
	for _, name := range channels {
		path := filepath.Join(j.layout.Data(name), file)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("train: %q is not in the channel %s: put the file there", file, channels[len(channels)-1])
}

func withSuffix(dir string, entries []os.DirEntry, suffixes ...string) []string {
	var out []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") &&
			slices.Contains(suffixes, strings.ToLower(filepath.Ext(e.Name()))) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

// channelFile is the only file of a channel, but for hidden ones and .txt; "" where the job has no
// such channel.
func channelFile(channels map[string]sagemaker.Channel, name string) (string, error) {
	c, ok := channels[name]
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

// channelModel finds the model to begin at in the channel model: a model folder, or its only file,
// such as model.tar.gz.
func channelModel(channels map[string]sagemaker.Channel) (string, error) {
	if c, ok := channels["model"]; ok && !c.Pipe() {
		if _, err := os.Stat(filepath.Join(c.Dir, "model.json")); err == nil {
			return c.Dir, nil
		}
	}
	return channelFile(channels, "model")
}
