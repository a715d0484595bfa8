package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Item is one picture of a Folder.
type Item struct {
	Path  string // where to open it: the root as it was given, and below it the names on disk
	Rel   string // slash path below the root in Unicode NFC, "daisy/a.jpg"
	Label int    // index into Folder.Labels; -1 from List
	Split Split  // set by Folder.Split

	// From manifests and Join; zero from Scan.
	Fixed  bool    // Split was given, and Folder.Split leaves it
	Group  string  // pictures of one group, such as a person or a place, are never split; "" for none
	Weight float64 // of the picture in training, above 0; 0 means 1
	Key    string  // what Folder.Split hashes; "" means Rel below its first element
	// where Folder.Several: all its labels, ascending, Label being the first, or 0 where there are
	// none; nil elsewhere
	Labels []int
}

// Problem is a file or folder that was left out, and why, in a sentence that follows the path.
type Problem struct{ Path, Reason string }

// Folder is a set of pictures in a folder of label folders.
type Folder struct {
	Root string
	// the label folders' names in Unicode NFC, sorted by bytes; nil from List. Numbered classes
	// keep their order
	Labels   []string
	Items    []Item    // sorted by Rel
	Problems []Problem // sorted by Path
	Several  bool      // a picture may have several labels, or none: see ManifestConfig.Several and AsSeveral
	// hidden and housekeeping files and folders that were passed over: .DS_Store, Thumbs.db,
	// .ipynb_checkpoints...
	Ignored int
}

// ScanConfig bounds Scan and List. The zero value works.
type ScanConfig struct {
	MinLabels int // fewest labels with pictures in them; 0 means 2
	MaxFiles  int // most files looked at; 0 means 4,000,000
}

// maxDepth bounds how deep below a label's folder pictures are looked for.
const maxDepth = 32

// Scan reads a folder whose sub-folders are the labels. A label is its folder's name in Unicode
// NFC; two folders that come to one label are an error that names both. All that lies below a
// label's folder, at any depth, belongs to that label.
//
// The first bytes decide what is a picture, never the extension. A file that is none, is empty or
// cannot be read, and a label without any picture, becomes a Problem; the label is then no label. A
// picture directly in root belongs to no label and is a Problem too; other files there are ignored,
// and so is, everywhere, what is hidden or housekeeping; Folder.Ignored counts them. Symbolic links
// to files, and in root itself to folders, are followed; deeper links to folders are Problems, for
// they could go round in circles.
//
// It is an error when root cannot be read, holds no label folder, or fewer than cfg.MinLabels
// labels have pictures.
func Scan(root string, cfg ScanConfig) (*Folder, error) {
	s, entries, err := startScan(root, cfg)
	if err != nil {
		return nil, err
	}
	folders, err := s.labelFolders(entries)
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("dataset: scan %q: the folder has no sub-folders, want one for each label: put each label's "+
			"pictures in a folder of its own, such as %s",
			root, filepath.Join(root, "daisy", "1.jpg"))
	}
	for _, f := range folders {
		before, problems := len(s.folder.Items), len(s.folder.Problems)
		if err := s.walk(s.at(f.name), f.label, len(s.folder.Labels), 0); err != nil {
			return nil, err
		}
		if len(s.folder.Items) > before {
			s.folder.Labels = append(s.folder.Labels, f.label)
			continue
		}
		reason := fmt.Sprintf("label %q has no pictures and was left out: add some or remove the folder", f.label)
		if n := len(s.folder.Problems) - problems; n > 0 {
			reason = fmt.Sprintf("label %q has no usable picture (%d problems) and was left out: repair "+
				"them or remove the folder", f.label, n)
		}
		s.problem(s.at(f.name), reason)
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
	return fmt.Errorf("dataset: scan %q: %s, want at least %d: give each label a folder of its own with pictures in it%s",
		f.Root, found, least, also)
}

// List reads all pictures below a folder by the rules of Scan, without labels. A folder without any
// picture is an error.
func List(root string, cfg ScanConfig) (*Folder, error) {
	s, _, err := startScan(root, cfg)
	if err != nil {
		return nil, err
	}
	if err := s.walk(root, "", -1, 0); err != nil {
		return nil, err
	}
	if len(s.folder.Items) == 0 {
		return nil, fmt.Errorf("dataset: list %q: no picture found (%d problems): want JPEG, PNG, GIF, "+
			"BMP, WebP or TIFF files", root, len(s.folder.Problems))
	}
	return s.done(), nil
}

type scanner struct {
	folder Folder
	files  int
	limit  int
	head   [sniffLen]byte
}

func startScan(root string, cfg ScanConfig) (*scanner, []os.DirEntry, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: scan: cannot read the folder: %w", err)
	}
	s := &scanner{folder: Folder{Root: root}, limit: cfg.MaxFiles}
	if s.limit <= 0 {
		s.limit = 4_000_000
	}
	return s, entries, nil
}

func (s *scanner) done() *Folder {
	slices.SortFunc(s.folder.Items, func(a, b Item) int {
		if c := strings.Compare(a.Rel, b.Rel); c != 0 {
			return c
		}
		return strings.Compare(a.Path, b.Path)
	})
	slices.SortStableFunc(s.folder.Problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return &s.folder
}

// at is a path below the root, the root left as it was given: retrain.py's split hashes it so.
func (s *scanner) at(name string) string { return join(s.folder.Root, name) }

func join(dir, name string) string {
	if dir == "" || os.IsPathSeparator(dir[len(dir)-1]) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}

func (s *scanner) problem(path, reason string) {
	s.folder.Problems = append(s.folder.Problems, Problem{Path: path, Reason: reason})
}

type labelFolder struct{ name, label string }

// labelFolders sorts root's entries into label folders and the rest.
func (s *scanner) labelFolders(entries []os.DirEntry) ([]labelFolder, error) {
	var folders []labelFolder
	named := make(map[string]string)
	for _, e := range entries {
		name := e.Name()
		if housekeeping(name) {
			s.folder.Ignored++
			continue
		}
		info, err := os.Stat(s.at(name))
		if err != nil {
			s.problem(s.at(name), reasonOf(err))
			continue
		}
		if !info.IsDir() {
			if format, ok, err := s.sniff(s.at(name), info); err == nil && ok {
				s.problem(s.at(name), fmt.Sprintf("is a picture (%s) outside the label folders: move it into one", format))
			} else {
				s.folder.Ignored++
			}
			continue
		}
		if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			return nil, fmt.Errorf("dataset: scan %q: the folder name %q is no label: want UTF-8 without "+
				"control characters: rename it", s.folder.Root, name)
		}
		label := norm.NFC.String(name)
		if other, taken := named[label]; taken {
			return nil, fmt.Errorf("dataset: scan %q: the folders %+q and %+q are both label %q (one name, two Unicode "+
				"spellings): merge or rename them",
				s.folder.Root, other, name, label)
		}
		named[label] = name
		folders = append(folders, labelFolder{name: name, label: label})
	}
	slices.SortFunc(folders, func(a, b labelFolder) int { return strings.Compare(a.label, b.label) })
	return folders, nil
}

// walk collects the pictures below dir, whose slash path below the root is rel.
func (s *scanner) walk(dir, rel string, label, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.problem(dir, reasonOf(err))
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		path, below := join(dir, name), norm.NFC.String(name)
		if rel != "" {
			below = rel + "/" + below
		}
		if housekeeping(name) {
			s.folder.Ignored++
			continue
		}
		if e.IsDir() {
			if depth == maxDepth {
				s.problem(path, fmt.Sprintf("lies more than %d folders deep and was not read", maxDepth))
			} else if err := s.walk(path, below, label, depth+1); err != nil {
				return err
			}
			continue
		}
		if s.files++; s.files > s.limit {
			return fmt.Errorf("dataset: scan %q: more than %d files: raise the limit or name a smaller folder", s.folder.Root,
				s.limit)
		}
		s.file(path, below, label)
	}
	return nil
}

// file takes up one file or link as an item or a problem.
func (s *scanner) file(path, rel string, label int) {
	info, err := os.Stat(path)
	if err != nil {
		s.problem(path, reasonOf(err))
		return
	}
	if info.IsDir() {
		s.problem(path, "is a symbolic link to a folder, which is not followed: put the folder itself here")
		return
	}
	format, ok, err := s.sniff(path, info)
	switch {
	case err != nil:
		s.problem(path, reasonOf(err))
	case ok:
		s.folder.Items = append(s.folder.Items, Item{Path: path, Rel: rel, Label: label})
	case format != "":
		s.problem(path, fmt.Sprintf("is no picture that can be read: it is %s", format))
	default:
		s.problem(path, "is no picture: its first bytes are of no known format")
	}
}

var errEmpty = errors.New("is empty (0 bytes)")

// sniff reads a file's first bytes.
func (s *scanner) sniff(path string, info fs.FileInfo) (format string, ok bool, err error) {
	if !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("is a %s, not a file", modeName(info.Mode()))
	}
	if info.Size() == 0 {
		return "", false, errEmpty
	}
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.ReadFull(f, s.head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false, err
	}
	format, ok = Sniff(s.head[:n])
	return format, ok, nil
}

// reasonOf is an error without the path that its Problem names already.
func reasonOf(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("cannot be read: %v", p.Err)
	}
	return err.Error()
}

// housekeeping tells names that file managers, archivers and notebooks leave behind.
func housekeeping(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}
	switch strings.ToLower(name) {
	case "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information",
		"lost+found", "__pycache__":
		return true
	}
	return false
}
