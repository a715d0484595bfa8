package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
)

// Open reads the labelled pictures at path: a manifest, or a folder that Scan reads. In a folder a
// file metadata.csv or metadata.jsonl, as Hugging Face's imagefolder has it, is read as its
// manifest, in folders named like parts as each part's; one without labels leaves these to the
// folders.
func Open(path string, cfg ManifestConfig) (*Folder, error) {
	store, root, err := cfg.Addresses.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return openStore(store, root, cfg)
}

// openStore is Open of what lies in a store.
func openStore(store source.Store, root string, cfg ManifestConfig) (*Folder, error) {
	if info, err := store.Stat(root); err == nil && !info.IsDir() {
		return readManifest(store, root, cfg)
	}
	l := layout{store: store, root: root, parts: listedParts(store, root)}
	if l.parts[Train] != "" {
		return l.join(func(dir string, part Split) (*Folder, error) {
			of := cfg
			if part != Train {
				of.MinLabels = 1
			}
			return openFolder(store, dir, of)
		})
	}
	return openFolder(store, root, cfg)
}

// openFolder reads a folder by its metadata, else by its folders.
func openFolder(store source.Store, dir string, cfg ManifestConfig) (*Folder, error) {
	list, note := metadata(store, dir), ""
	if list != "" {
		of := cfg
		of.Root = ""
		f, err := readListed(store, dir, list, of)
		if err == nil || !errors.Is(err, errNoLabel) {
			return f, err
		}
		note = list + " has no column of labels: the folders are the labels"
	}
	f, err := scan(store, dir, ScanConfig{MinLabels: cfg.MinLabels, LabelsAt: cfg.LabelsAt})
	if err != nil {
		if _, parquet := store.Stat(walker(store, dir, 0).At("metadata.parquet")); parquet == nil {
			err = fmt.Errorf("%w; metadata.parquet is not read: %s", err, fromParquet)
		}
		return nil, err
	}
	if note != "" {
		f.Notes = append(f.Notes, note)
	}
	if cfg.MultiLabel {
		f = f.AsMultiLabel()
	}
	return f, nil
}

// fromParquet says how Parquet becomes what is read, by pandas and pyarrow.
const fromParquet = "with paths in it, convert it with python3 -c 'import pandas; " +
	`pandas.read_parquet("FILE.parquet").to_csv("FILE.csv", index=False)'; with the pictures in it, with ` +
	`python3 -c 'import pandas, os; [os.makedirs(f"DIR/{r.label}", exist_ok=True) or ` +
	`open(f"DIR/{r.label}/{i}", "wb").write(r.image["bytes"]) for i, r in ` +
	`enumerate(pandas.read_parquet("FILE.parquet").itertuples())]'`

// metadata is the list of pictures that a folder holds, as Hugging Face's imagefolder, Roboflow and
// FiftyOne name it, or its folder of annotations; "" for none.
func metadata(store source.Store, dir string) string {
	for _, name := range []string{"metadata.csv", "metadata.jsonl", "_classes.csv", "_annotations.coco.json",
		"labels.json"} {
		path := walker(store, dir, 0).At(name)
		if info, err := store.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if !strings.HasSuffix(name, ".json") || isDocument(store, path) {
			return path
		}
	}
	return vocFolder(store, dir)
}

// isDocument tells whether a JSON file is a list of pictures.
func isDocument(store source.Store, path string) bool {
	f, err := store.Open(path)
	if err != nil {
		return false
	}
	head, err := io.ReadAll(io.LimitReader(f, 1<<12))
	return errors.Join(err, f.Close()) == nil && documentKind(head) != ""
}

// readListed reads the list in a folder.
func readListed(store source.Store, dir, list string, cfg ManifestConfig) (*Folder, error) {
	if info, err := store.Stat(list); err == nil && info.IsDir() {
		return readVOC(store, dir, list, cfg)
	}
	f, err := readManifest(store, list, cfg)
	if err == nil {
		f.Notes = append(f.Notes, "read the labels from "+list)
	}
	return f, err
}

// listedParts are the folders named like parts when the one to train on has a list of its pictures.
func listedParts(store source.Store, root string) (parts [3]string) {
	entries, err := store.ReadDir(root)
	if err != nil {
		return parts // reading the folder says what is wrong
	}
	at := walker(store, root, 0).At
	listed := slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		_, ok := partNamed(e.Name())
		return !ok || metadata(store, at(e.Name())) == "" || strings.HasPrefix(e.Name(), ".")
	})
	for _, e := range listed {
		s, _ := partNamed(e.Name())
		parts[s] = e.Name()
	}
	return parts
}
