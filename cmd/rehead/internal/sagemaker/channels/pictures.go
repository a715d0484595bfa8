package channels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/recordio"
	"github.com/c236555e/rehead/dataset/source"
)

// Finder finds the pictures of a job.
type Finder struct {
	Tree        layout.Tree
	Channels    Set
	Manifest    string                           // file in a channel; "none": label folders; "": the only one there
	Classes     string                           // file with the names of numbered classes; "": none
	Corrections string                           // corrections file; "": none
	Store       source.Store                     // where the channels' folders lie; nil: on this disk
	Scratch     func() (dir string, err error)   // makes a folder of this run alone, once
	Say         func(format string, args ...any) // prints a line of the log
}

// Pictures are the folders and manifests that a job trains on.
type Pictures struct {
	Training, Validation, Test string            // a folder or a manifest; "": none
	Classes                    string            // path of Finder's Classes
	Corrections                string            // path of Finder's Corrections
	Roots                      map[string]string // the folder that a manifest's paths start from
}

// Find looks in the channels for label folders, manifests and RecordIO.
func (f *Finder) Find(ctx context.Context) (p Pictures, err error) {
	name, err := f.trainingChannel()
	if err != nil {
		return p, err
	}
	p.Roots = map[string]string{}
	if p.Training, err = f.pictures(ctx, name, p.Roots); err != nil {
		return p, err
	}
	if f.Corrections != "" {
		if p.Corrections, err = f.beside(f.Corrections, name+"_lst", name); err != nil {
			return p, err
		}
	}
	if f.Classes != "" {
		if p.Classes, err = f.beside(f.Classes, name+"_lst", name); err != nil {
			return p, err
		}
	}
	if p.Validation, err = f.pictures(ctx, "validation", p.Roots); err != nil {
		return p, err
	}
	p.Test, err = f.pictures(ctx, "test", p.Roots)
	return p, err
}

// besides are the channels that hold no pictures to train on.
var besides = []string{"validation", "test", "model", "weights"}

// programs says of a channel that SageMaker's SDK adds it, for the source code that it would run.
func programs(name string) bool { return name == "code" || name == "sm_drivers" }

// trainingChannel names the channel of the pictures: train or training, else the only one that can
// be meant. Those of the SDK's source code are meant where there is nothing else.
func (f *Finder) trainingChannel() (string, error) {
	var names []string
	for name := range f.Channels {
		if name == "train" || name == "training" {
			return name, nil
		}
		if !slices.Contains(besides, name) && !strings.HasSuffix(name, "_lst") {
			names = append(names, name)
		}
	}
	if pictures := slices.DeleteFunc(slices.Clone(names), programs); len(pictures) > 0 {
		names = pictures
	}
	if len(names) == 1 {
		return names[0], nil
	}
	found := "none at all"
	if len(names) > 0 {
		found = strings.Join(slices.Sorted(slices.Values(names)), ", ")
	}
	return "", fmt.Errorf("train: no channel named train or training below %s (found: %s): give the label folders as one",
		f.Tree.Path("input", "data"), found)
}

// pictures is the folder or manifest of a channel, "" where the job does not have the channel. The
// folder of a manifest's pictures is added to roots.
func (f *Finder) pictures(ctx context.Context, name string, roots map[string]string) (string, error) {
	c, ok := f.Channels[name]
	if !ok {
		return "", nil
	}
	if c.Pipe() {
		if !c.RecordIO() {
			return "", fmt.Errorf("train: channel %q is in Pipe mode, where files come as one stream without their names: set "+
				"its TrainingInputMode to File or FastFile, or send RecordIO", name)
		}
		return f.extract(ctx, name, []string{c.Dir + "_0"})
	}
	entries, err := f.store().ReadDir(c.Dir)
	if err != nil {
		return "", fmt.Errorf("train: channel %q: %w", name, err)
	}
	root := f.packed(c.Dir, entries)
	records := withSuffix(c.Dir, entries, ".rec")
	if f.Store != nil && c.Sharded() && (root != c.Dir || len(records) > 0) {
		return "", fmt.Errorf("train: channel %q is ShardedByS3Key and its pictures are packed in a file, which one host "+
			"has whole: set its S3DataDistributionType to FullyReplicated", name)
	}
	if len(records) > 0 {
		return f.extract(ctx, name, records)
	}
	if _, ok := f.Channels[name+"_lst"]; ok {
		list, err := f.Channels.File(name + "_lst")
		roots[list] = root
		return list, err
	}
	switch f.Manifest {
	case "none":
		return root, nil
	case "":
		lists := withSuffix(c.Dir, entries, manifests...)
		switch len(lists) {
		case 0:
			return root, nil
		case 1:
			f.Say("channel %s: reading the manifest %s; hyperparameter manifest=none reads label folders instead", name,
				filepath.Base(lists[0]))
			roots[lists[0]] = root
			return lists[0], nil
		}
		return "", fmt.Errorf("train: channel %q holds %d manifests, among them %s: name one in the "+
			"hyperparameter manifest, or none", name, len(lists), filepath.Base(lists[0]))
	}
	list, err := f.named(f.Manifest, name)
	roots[list] = root
	return list, err
}

// store is where the channels' folders lie.
func (f *Finder) store() source.Store {
	if f.Store == nil {
		return source.Disk{}
	}
	return f.Store
}

// manifests are the endings of lists of pictures, archives those of packed pictures.
var (
	manifests = []string{".lst", ".csv", ".jsonl", ".manifest"}
	archives  = []string{".zip", ".tar", ".tgz", ".gz", ".zst"}
)

// packed is the only archive in a channel's folder, if the folder holds nothing else but lists and
// texts; else it is the folder.
func (f *Finder) packed(dir string, entries []os.DirEntry) string {
	packed := withSuffix(dir, entries, archives...)
	lists := withSuffix(dir, entries, append([]string{".txt"}, manifests...)...)
	visible := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			visible++
		}
	}
	if len(packed) == 1 && visible == 1+len(lists) {
		f.Say("reading the pictures in %s where they are", packed[0])
		return packed[0]
	}
	return dir
}

// extract unpacks RecordIO streams and returns the manifest of their pictures.
func (f *Finder) extract(ctx context.Context, name string, streams []string) (string, error) {
	scratch, err := f.Scratch()
	if err != nil {
		return "", err
	}
	f.Say("channel %s: unpacking RecordIO", name)
	list, err := recordio.Extract(ctx, streams, filepath.Join(scratch, "records", name))
	if err != nil {
		return "", fmt.Errorf("train: channel %q: %w", name, err)
	}
	return list, nil
}

// beside finds a file that a hyperparameter names, and has it on this disk.
func (f *Finder) beside(file string, channels ...string) (string, error) {
	path, err := f.named(file, channels...)
	if err != nil || f.Store == nil {
		return path, err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return f.fetch(path)
}

// fetch copies a file to this disk.
func (f *Finder) fetch(path string) (_ string, err error) {
	scratch, err := f.Scratch()
	if err != nil {
		return "", err
	}
	from, err := f.store().Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	out, err := os.CreateTemp(scratch, "*-"+filepath.Base(path))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, from)
	return out.Name(), errors.Join(err, out.Close())
}

// named finds a file that a hyperparameter names, in the first of these channels that has it.
func (f *Finder) named(file string, channels ...string) (string, error) {
	if !filepath.IsLocal(file) {
		return "", fmt.Errorf("train: %q: want the name of a file in a channel, such as labels.txt", file)
	}
	for _, name := range channels {
		path := filepath.Join(f.Tree.Data(name), file)
		if info, err := f.store().Stat(path); err == nil && info.Mode().IsRegular() {
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
