package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
)

// dataFlags say where labelled pictures are: folders of label folders, or manifests.
type dataFlags struct {
	validationDir, testDir string // folders or manifests of their own for these parts
	imageRoot, stripPrefix string // see dataset.ManifestConfig
	classes                string // file with the names of numbered classes

	multiLabel bool   // a picture may have several labels
	separator  string // of the labels in a cell of a CSV file

	labelsAt  string          // see dataset.ScanConfig
	columns   dataset.Columns // of manifests
	attribute string          // of augmented manifests

	roots map[string]string // image roots of single manifests, before imageRoot

	addresses source.Addresses // that are followed
	// hands on a path on this machine for the file that a path or address names
	withFile func(address string, read func(local string) error) error
}

func (d *dataFlags) add(cmd *cobra.Command, a *app) {
	f := cmd.Flags()
	f.StringVar(&d.validationDir, "validation-dir", "",
		"folder or manifest of the pictures to choose with, instead of --validation")
	f.StringVar(&d.testDir, "test-dir", "", "folder or manifest of the pictures to measure with, instead of --test")
	f.BoolVar(&d.multiLabel, "multi-label", false,
		"pictures have any number of labels, even none: a head of sigmoids with a threshold for each label is trained")
	d.addManifest(cmd, a)
}

// addManifest adds the flags that say how a folder or a manifest is read.
func (d *dataFlags) addManifest(cmd *cobra.Command, a *app) {
	d.addresses, d.withFile = a.cloud.addresses(), a.withFile
	f := cmd.Flags()
	f.StringVar(&d.labelsAt, "labels-at", "",
		"which folders are the labels where they lie in each other: top or leaf (default: the leaves, if no folder at the "+
			"top holds pictures itself)")
	f.StringVar(&d.imageRoot, "image-root", "",
		"folder that a manifest's relative paths start from (default: the manifest's)")
	f.StringVar(&d.stripPrefix, "strip-prefix", "",
		"prefix that is cut off a manifest's paths, such as s3://bucket/flowers/")
	f.StringVar(&d.separator, "label-separator", "|", "what separates labels in a CSV manifest's label column")
	for _, c := range []struct {
		name, what string
		to         *string
	}{
		{"image", "pictures' paths", &d.columns.Image}, {"label", "labels", &d.columns.Label},
		{"split", "parts: train, validation or test", &d.columns.Split}, {"group", "groups", &d.columns.Group},
		{"weight", "weights", &d.columns.Weight},
	} {
		f.StringVar(c.to, c.name+"-column", "", "column or key of a manifest that has the "+c.what)
	}
	f.StringVar(&d.attribute, "attribute", "",
		"key of the class in an augmented manifest that has several")
	f.StringVar(&d.classes, "classes", "", "file with the names of a manifest's numbered classes, one a line")
}

// open reads a folder of label folders or a manifest, and those of the other parts. minLabels is as
// in dataset.ScanConfig.
func (d *dataFlags) open(path string, minLabels int) (*dataset.Folder, error) {
	folder, err := d.one(path, minLabels)
	if err != nil || d.validationDir == "" && d.testDir == "" {
		return folder, err
	}
	var parts [2]*dataset.Folder
	for i, dir := range [2]string{d.validationDir, d.testDir} {
		if dir == "" {
			continue
		}
		if parts[i], err = d.one(dir, 1); err != nil {
			return nil, err
		}
	}
	return dataset.Join(folder, parts[0], parts[1])
}

func (d *dataFlags) one(path string, minLabels int) (*dataset.Folder, error) {
	store, root, err := d.addresses.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return d.openStore(store, root, minLabels)
}

// openStore is open of what lies in a store, without other parts.
func (d *dataFlags) openStore(store source.Store, path string, minLabels int) (_ *dataset.Folder, err error) {
	if !slices.Contains([]string{"", dataset.LabelsAtTop, dataset.LabelsAtLeaf}, d.labelsAt) {
		return nil, usagef("--labels-at: got %q, want top or leaf", d.labelsAt)
	}
	cfg := dataset.ManifestConfig{Root: cmp.Or(d.roots[path], d.imageRoot), StripPrefix: d.stripPrefix,
		Columns: d.columns, Attribute: d.attribute, MinLabels: minLabels, MultiLabel: d.multiLabel, Separator: d.separator,
		LabelsAt: d.labelsAt, Addresses: d.addresses}
	if d.classes != "" {
		err = d.withFile(d.classes, func(local string) error {
			cfg.Classes, err = dataset.ReadClasses(local)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return dataset.OpenStore(store, path, cfg)
}
