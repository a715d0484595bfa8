package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"golang.org/x/text/unicode/norm"
)

// File is a picture that was found.
type File struct {
	Path  string // where to open it: the root as it was given, and below it the names there
	Rel   string // slash path below the root in Unicode NFC, "daisy/a.jpg"
	Store Store  // that Path is opened in; nil means Disk
}

// Problem is a file or folder that was left out, and why, in a sentence that follows the path.
type Problem struct{ Path, Reason string }

// Walker looks for pictures below a root. The first bytes decide what is a picture, never the
// extension. A file that is not one, is empty or cannot be read becomes a Problem; what is hidden
// or housekeeping is ignored, and counted. Symbolic links to files are followed; links to folders
// are Problems, for they could go round in circles.
type Walker struct {
	Root     string
	Store    Store // that Root lies in; nil means Disk
	Problems []Problem
	// hidden and housekeeping files and folders that were passed over: .DS_Store, Thumbs.db,
	// .ipynb_checkpoints...
	Ignored int

	files, limit int
	head         [picture.SniffLen]byte
}

// maxDepth bounds how deep below the folder given to Walk pictures are looked for.
const maxDepth = 32

// NewWalker returns a Walker that looks at no more than maxFiles files; 0 means 4,000,000.
func NewWalker(root string, maxFiles int) *Walker {
	if maxFiles <= 0 {
		maxFiles = 4_000_000
	}
	return &Walker{Root: root, limit: maxFiles}
}

// List returns all pictures below a folder or in an archive, sorted by Rel, and what was left out,
// sorted by Path. One without any picture is an error.
func List(path string) ([]File, []Problem, error) {
	store, root, err := Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: list: %w", err)
	}
	return ListStore(store, root)
}

// ListStore is List of a folder in a store; nil is the disk.
func ListStore(store Store, root string) ([]File, []Problem, error) {
	store = File{Store: store}.store()
	if _, err := store.ReadDir(root); err != nil {
		return nil, nil, fmt.Errorf("dataset: list: cannot read the folder: %w", err)
	}
	var files []File
	w := NewWalker(root, 0)
	w.Store = store
	if err := w.Walk(root, "", func(f File) error { files = append(files, f); return nil }); err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("dataset: list %q: no picture found (%d problems): want JPEG, PNG, GIF, "+
			"BMP, WebP or TIFF files", root, len(w.Problems))
	}
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(strings.Compare(a.Rel, b.Rel), strings.Compare(a.Path, b.Path))
	})
	SortProblems(w.Problems)
	return files, w.Problems, nil
}

// SortProblems sorts problems by path.
func SortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
}

// At is a path below the root, the root left as it was given: retrain.py's split hashes it so.
func (w *Walker) At(name string) string { return join(w.Root, name) }

func (w *Walker) store() Store { return File{Store: w.Store}.store() }

func join(dir, name string) string {
	if dir == "" || os.IsPathSeparator(dir[len(dir)-1]) {
		return dir + name
	}
	if Scheme(dir) != "" {
		return strings.TrimSuffix(dir, "/") + "/" + name
	}
	return dir + string(filepath.Separator) + name
}

// Add notes a Problem.
func (w *Walker) Add(path, reason string) {
	w.Problems = append(w.Problems, Problem{Path: path, Reason: reason})
}

// pathless is a store that may hold files that no path leads to.
type pathless interface {
	// Pathless are those that lie in a folder, not in one below it, each with what follows the folder's path.
	Pathless(dir string) (below []string)
}

// AddPathless notes the files in a folder that no path leads to. Walk does that of all that it looks into.
func (w *Walker) AddPathless(dir string) {
	if s, ok := w.Store.(pathless); ok {
		for _, below := range s.Pathless(dir) {
			w.Add(join(dir, below), `has a key that no path leads to, for it has an element that is empty, "." or "..": copy `+
				"the object to another key")
		}
	}
}

// Walk passes the pictures below dir, whose slash path below the root is rel, to found, whose error
// ends it.
func (w *Walker) Walk(dir, rel string, found func(File) error) error {
	if w == nil || found == nil {
		return errors.New("dataset: scan: got no walker or nothing that takes pictures")
	}
	return w.walk(dir, rel, 0, found)
}

func (w *Walker) walk(dir, rel string, depth int, found func(File) error) error {
	entries, err := w.store().ReadDir(dir)
	if err != nil {
		w.Add(dir, Reason(err))
		return nil
	}
	w.AddPathless(dir)
	for _, e := range entries {
		name := e.Name()
		path, below := join(dir, name), norm.NFC.String(name)
		if rel != "" {
			below = rel + "/" + below
		}
		if Housekeeping(name) {
			w.Ignored++
			continue
		}
		if e.IsDir() {
			if depth == maxDepth {
				w.Add(path, fmt.Sprintf("lies more than %d folders deep and was not read", maxDepth))
			} else if err := w.walk(path, below, depth+1, found); err != nil {
				return err
			}
			continue
		}
		if w.files++; w.files > w.limit {
			return fmt.Errorf("dataset: scan %q: more than %d files: raise the limit or name a smaller folder", w.Root,
				w.limit)
		}
		if err := w.file(File{path, below, w.Store}, found); err != nil {
			return err
		}
	}
	return nil
}

// file takes up one file or link as a picture or a problem.
func (w *Walker) file(f File, found func(File) error) error {
	path := f.Path
	info, err := w.store().Stat(path)
	if err != nil {
		w.Add(path, Reason(err))
		return nil
	}
	if info.IsDir() {
		w.Add(path, "is a symbolic link to a folder, which is not followed: put the folder itself here")
		return nil
	}
	format, ok, err := w.Sniff(path, info)
	switch {
	case err != nil:
		w.Add(path, Reason(err))
	case ok:
		return found(f)
	case format != "":
		w.Add(path, fmt.Sprintf("is not a picture that can be read: it is %s", format))
	default:
		w.Add(path, "is not a picture: its first bytes are of no known format")
	}
	return nil
}

var errEmpty = errors.New("is empty (0 bytes)")

// sniffer is a store that may know what a file's first bytes say without reading them.
type sniffer interface {
	Sniff(path string) (format string, ok, known bool)
}

// Sniff reads a file's first bytes: see picture.Sniff. An empty file and one that is not regular
// are errors.
func (w *Walker) Sniff(path string, info fs.FileInfo) (format string, ok bool, err error) {
	if info == nil {
		return "", false, errors.New("is not known to be a file")
	}
	if !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("is a %s, not a file", Kind(info.Mode()))
	}
	if info.Size() == 0 {
		return "", false, errEmpty
	}
	if s, ok := w.Store.(sniffer); ok {
		if format, ok, known := s.Sniff(path); known {
			return format, ok, nil
		}
	}
	if _, ok := w.Store.(Far); ok {
		head, err := firstBytes(w.Store, path, picture.SniffLen)
		if err != nil {
			return "", false, err
		}
		format, ok = picture.Sniff(head)
		return format, ok, nil
	}
	f, err := w.store().Open(path)
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.ReadFull(f, w.head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false, err
	}
	format, ok = picture.Sniff(w.head[:n])
	return format, ok, nil
}

// Reason is an error without the path that its Problem names already.
func Reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("cannot be read: %v", p.Err)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// Housekeeping tells names that file managers, archivers and notebooks leave behind.
func Housekeeping(name string) bool {
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
