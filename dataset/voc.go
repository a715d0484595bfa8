package dataset

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
)

// The folders of Pascal VOC: an annotation a picture, the pictures, and lists of those to train on.
const (
	vocAnnotations = "Annotations"
	vocSets        = "ImageSets/Main"
)

// vocFolder is the folder of a data set's annotations, as Pascal VOC has them: Annotations, or the
// folder itself where they lie beside their pictures; "" for none.
func vocFolder(store source.Store, dir string) string {
	at := walker(store, dir, 0).At
	for _, folder := range []string{at(vocAnnotations), dir} {
		entries, err := store.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !e.IsDir() && strings.EqualFold(path.Ext(e.Name()), ".xml") && !source.Housekeeping(e.Name()) {
				if a, err := readAnnotation(store, walker(store, folder, 0).At(e.Name())); err == nil && a.names != nil {
					return folder
				}
				break
			}
		}
	}
	return ""
}

// readAnnotation reads the names of the objects in one picture.
func readAnnotation(store source.Store, file string) (o objects, err error) {
	f, err := store.Open(file)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var doc struct {
		XMLName xml.Name `xml:"annotation"`
		Objects []struct {
			Name string `xml:"name"`
		} `xml:"object"`
	}
	d := xml.NewDecoder(io.LimitReader(f, maxRecord))
	if err := d.Decode(&doc); err != nil {
		return o, err
	}
	o.names = make([]string, len(doc.Objects))
	for i, one := range doc.Objects {
		o.names[i] = strings.TrimSpace(one.Name)
	}
	base := path.Base(strings.ReplaceAll(file, `\`, "/"))
	o.image = strings.TrimSuffix(base, path.Ext(base)) // what <filename> says is often of another machine
	return o, nil
}

// readVOC reads the annotations in a folder of a data set in dir.
func readVOC(store source.Store, dir, folder string, cfg ManifestConfig) (*Folder, error) {
	entries, err := store.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("dataset: annotations: %w", err)
	}
	m := newManifest(store, folder, cfg)
	m.cfg.Root = dir
	m.scan.Walker, m.scan.folder.Root = walker(store, dir, 0), dir
	m.list = path.Base(vocAnnotations)
	var list []objects
	for _, e := range entries {
		if e.IsDir() || !strings.EqualFold(path.Ext(e.Name()), ".xml") || source.Housekeeping(e.Name()) {
			continue
		}
		o, err := readAnnotation(store, walker(store, folder, 0).At(e.Name()))
		if err != nil {
			return nil, fmt.Errorf("dataset: annotations %q: %w", walker(store, folder, 0).At(e.Name()), err)
		}
		if list = append(list, o); len(list) > m.cfg.MaxRows {
			return nil, fmt.Errorf("dataset: annotations %q: more than %d: raise the limit", folder, m.cfg.MaxRows)
		}
	}
	if m.splits, err = vocSplits(store, dir); err != nil {
		return nil, err
	}
	m.note("read the labels from the annotations in " + folder)
	if err := m.addObjects(list); err != nil {
		return nil, fmt.Errorf("dataset: annotations %q: %w", folder, err)
	}
	return m.done()
}

// vocSplits are the parts of the pictures that ImageSets/Main lists, by their names.
func vocSplits(store source.Store, dir string) (map[string]string, error) {
	splits := map[string]string{}
	for _, part := range []string{"train", "val", "test"} {
		f, err := store.Open(walker(store, dir, 0).At(vocSets + "/" + part + ".txt"))
		if err != nil {
			continue
		}
		s := bufio.NewScanner(f)
		for s.Scan() {
			if name, _, _ := strings.Cut(strings.TrimSpace(s.Text()), " "); name != "" {
				splits[name] = part
			}
		}
		if err := cmp.Or(s.Err(), f.Close()); err != nil {
			return nil, fmt.Errorf("dataset: %s of %q: %w", vocSets, dir, err)
		}
	}
	return splits, nil
}
