package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset/source"
	"golang.org/x/text/unicode/norm"
)

// Item is one picture of a Folder.
type Item struct {
	Path  string       // where to open it: the root as it was given, and below it the names on disk
	Rel   string       // slash path below the root in Unicode NFC, "daisy/a.jpg"
	Label int          // index into Folder.Labels
	Store source.Store // that Path is opened in; nil means source.Disk
	Split Split        // set by Folder.Split

	// From manifests, Join and folders in folders; else zero from Scan.
	Fixed  bool    // Split was given, and Folder.Split leaves it
	Group  string  // pictures of one group, such as a person or a place, are never split; "" for none
	Weight float64 // of the picture in training, above 0; 0 means 1
	Key    string  // what Folder.Split hashes; "" means Rel below its first element
	// where Folder.MultiLabel: all its labels, ascending, Label being the first, or 0 where there
	// are none; nil elsewhere
	Labels []int
}

// File is where the picture lies.
func (it Item) File() source.File {
	return source.File{Path: it.Path, Rel: it.Rel, Store: it.Store}
}

// Folder is a set of pictures in a folder of label folders.
type Folder struct {
	Root string
	// the label folders' names in Unicode NFC, sorted by bytes. Numbered classes keep their order
	Labels     []string
	Items      []Item           // sorted by Rel
	Problems   []source.Problem // sorted by Path
	MultiLabel bool             // a picture may have several labels, or none: see AsMultiLabel
	// hidden and housekeeping files and folders that were passed over: .DS_Store, Thumbs.db,
	// .ipynb_checkpoints...
	Ignored int
	Notes   []string // what was understood of the folders or the list, where that is not plain
	// the parts that have pictures of their own, from folders named like parts or Join: Split deals
	// no other pictures into them
	Given [3]bool

	leaves bool // the labels are folders below those in Root
}

// ErrFewLabels is found by errors.Is in the error of pictures that have fewer labels than MinLabels.
var ErrFewLabels = errors.New("too few labels")

// ScanConfig bounds Scan. The zero value works.
type ScanConfig struct {
	MinLabels int // fewest labels with pictures in them; 0 means 2
	MaxFiles  int // most files looked at; 0 means 4,000,000
	// which folders are the labels where they lie in each other: LabelsAtTop, LabelsAtLeaf, or "" by
	// what they hold
	LabelsAt string
}

// Scan reads a folder whose sub-folders are the labels. A label is its folder's name in Unicode
// NFC; two folders that come to one label are an error that names both. All that lies below a
// label's folder, at any depth, belongs to that label.
//
// The first bytes decide what is a picture, never the extension. A file that is not one, is empty
// or cannot be read, and a label without any picture, becomes a Problem; the label is then no
// label. Where no folder in root holds pictures itself, and the folders below them that do have
// names of their own, these are the labels, with the note to say so: see ScanConfig.LabelsAt.
// Leaves that share a name are labelled by their path.
//
// A picture directly in root belongs to no label and is a Problem too; other files there are
// ignored, and so is, everywhere, what is hidden or housekeeping; Folder.Ignored counts them.
// Symbolic links to files, and in root itself to folders, are followed; deeper links to folders are
// Problems, for they could go round in circles.
//
// Two or three folders in root that are named like parts (train, training; val, valid, validation,
// dev; test, testing, eval, evaluation, in any case) and hold the same label folders are read as
// these parts, with the note to say so, also one level down where root holds one folder alone; and
// so are such folders in every label's. Items of validation and test are Fixed then, and those of
// train where both are there.
//
// It is an error when root cannot be read, holds no label folder, or fewer than cfg.MinLabels
// labels have pictures, or when parts differ in their labels.
func Scan(root string, cfg ScanConfig) (*Folder, error) {
	store, at, err := source.Open(root)
	if err != nil {
		return nil, fmt.Errorf("dataset: scan: %w", err)
	}
	return scan(store, at, cfg)
}

// scan is Scan of a folder in a store.
func scan(store source.Store, root string, cfg ScanConfig) (*Folder, error) {
	if err := checkLabelsAt(cfg.LabelsAt); err != nil {
		return nil, err
	}
	l, err := findLayout(store, root)
	if err != nil {
		return nil, err
	}
	if l.parts != [3]string{} {
		return l.join(func(dir string, part Split) (*Folder, error) {
			of := cfg
			if part != Train {
				of.MinLabels = 1
			}
			f, err := scanLabels(store, dir, of)
			if err == nil && f.leaves {
				cfg.LabelsAt = LabelsAtLeaf // of the other parts as well
			} else if err == nil {
				cfg.LabelsAt = LabelsAtTop
			}
			return f, err
		})
	}
	if l.within {
		cfg.LabelsAt = LabelsAtTop
	}
	f, err := scanLabels(store, l.root, cfg)
	if err != nil {
		return nil, err
	}
	if l.note != "" {
		f.Notes = append(f.Notes, l.note)
	}
	if l.within {
		f.fixWithin()
	}
	return f, nil
}

// scanLabels reads a folder whose sub-folders are the labels and nothing else.
func scanLabels(store source.Store, root string, cfg ScanConfig) (*Folder, error) {
	entries, err := store.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("dataset: scan: cannot read the folder: %w", err)
	}
	s := &scanner{folder: Folder{Root: root}, Walker: walker(store, root, cfg.MaxFiles)}
	folders, err := s.labelFolders(store, entries)
	if err != nil {
		return nil, err
	}
	s.AddPathless(root)
	if len(folders) == 0 {
		return nil, fmt.Errorf("dataset: scan %q: the folder has no sub-folders, want one for each label: put each label's "+
			"pictures in a folder of its own, such as %s",
			root, filepath.Join(root, "daisy", "1.jpg"))
	}
	if folders, err = s.nested(store, folders, cfg.LabelsAt); err != nil {
		return nil, err
	}
	for _, f := range folders {
		before, problems, label := len(s.folder.Items), len(s.Problems), len(s.folder.Labels)
		if err := s.Walk(s.At(f.name), f.rel, func(file source.File) error {
			it := Item{Path: file.Path, Rel: file.Rel, Label: label, Store: file.Store}
			if f.rel != f.top {
				it.Key = strings.TrimPrefix(it.Rel, f.rel+"/")
			}
			s.folder.Items = append(s.folder.Items, it)
			return nil
		}); err != nil {
			return nil, err
		}
		if len(s.folder.Items) > before {
			s.folder.Labels = append(s.folder.Labels, f.label)
			continue
		}
		reason := fmt.Sprintf("label %q has no pictures and was left out: add some or remove the folder", f.label)
		if n := len(s.Problems) - problems; n > 0 {
			reason = fmt.Sprintf("label %q has no usable picture and was left out: repair or remove its %d files, of which the "+
				"first %s", f.label, n, s.Problems[problems].Reason)
		}
		s.Add(s.At(f.name), reason)
	}
	out := s.done()
	least := cfg.MinLabels
	if least == 0 {
		least = 2
	}
	if n := len(out.Labels); n < least {
		return nil, out.tooFew(least)
	}
	return out, nil
}

// tooFew says how many labels were found, and what was wrong with the others.
func (f *Folder) tooFew(least int) error {
	found := "no label has pictures in it"
	if n := len(f.Labels); n == 1 {
		found = fmt.Sprintf("only one label, %q, has pictures in it", f.Labels[0])
	} else if n > 1 {
		found = fmt.Sprintf("only %d labels have pictures in them", n)
	}
	also := ""
	if n := len(f.Problems); n > 0 {
		var first []string
		for _, p := range f.Problems[:min(n, 3)] {
			first = append(first, p.Path+": "+p.Reason)
		}
		also = fmt.Sprintf("; %d problems, among them: %s", n, strings.Join(first, "; "))
	}
	return fmt.Errorf("dataset: scan %q: %w: %s, want at least %d: give each label a folder of its own with pictures in "+
		"it%s", f.Root, ErrFewLabels, found, least, also)
}

// walker is one that looks below a folder of a store.
func walker(store source.Store, root string, maxFiles int) *source.Walker {
	w := source.NewWalker(root, maxFiles)
	if _, disk := store.(source.Disk); !disk {
		w.Store = store
	}
	return w
}

func (s *scanner) done() *Folder {
	f := &s.folder
	slices.SortFunc(f.Items, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.Rel, b.Rel), strings.Compare(a.Path, b.Path))
	})
	source.SortProblems(s.Problems)
	f.Problems, f.Ignored = s.Problems, s.Ignored
	return f
}

type scanner struct {
	*source.Walker
	folder Folder
}

// labelFolder is one whose name is a label.
type labelFolder struct {
	name, rel  string // path below the root as it is called there, and as a slash path in Unicode NFC
	top, label string // the first part of rel; the name
}

func byLabel(a, b labelFolder) int { return strings.Compare(a.label, b.label) }

// labelNamed refuses a folder's name that cannot be a label.
func (s *scanner) labelNamed(name string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("dataset: scan %q: the folder name %q is not a label: want UTF-8 without "+
			"control characters: rename it", s.Root, name)
	}
	return nil
}

// labelFolders sorts root's entries into label folders and the rest.
func (s *scanner) labelFolders(store source.Store, entries []fs.DirEntry) ([]labelFolder, error) {
	var folders []labelFolder
	named := make(map[string]string)
	for _, e := range entries {
		name := e.Name()
		if source.Housekeeping(name) {
			s.Ignored++
			continue
		}
		info, err := store.Stat(s.At(name))
		if err != nil {
			s.Add(s.At(name), source.Reason(err))
			continue
		}
		if !info.IsDir() {
			if format, ok, err := s.Sniff(s.At(name), info); err == nil && ok {
				s.Add(s.At(name), fmt.Sprintf("is a picture (%s) outside the label folders: move it into one", format))
			} else {
				s.Ignored++
			}
			continue
		}
		if err := s.labelNamed(name); err != nil {
			return nil, err
		}
		label := norm.NFC.String(name)
		if other, taken := named[label]; taken {
			return nil, fmt.Errorf("dataset: scan %q: the folders %+q and %+q are both label %q (one name, two Unicode "+
				"spellings): merge or rename them",
				s.Root, other, name, label)
		}
		named[label] = name
		folders = append(folders, labelFolder{name: name, rel: label, top: label, label: label})
	}
	slices.SortFunc(folders, byLabel)
	return folders, nil
}
