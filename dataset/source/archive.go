package source

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/c236555e/rehead/internal/tarfile"
)

// within ends the part of a path that names an archive: photos.zip!/daisy/1.jpg.
const within = "!"

// Bounds on archives. What a compressed one unpacks to is bounded as for archives of weights:
// pictures hardly shrink when they are packed, so one that grows more holds something else.
const (
	maxEntries           = 4_000_000
	maxNames             = 512 << 20 // bytes of all names
	maxName              = 4096      // bytes of one
	maxGrowth, freeBytes = 64, 64 << 20
)

// Archive is a .zip, .tar, .tar.gz or .tar.zst file whose files are read where they are: nothing is
// unpacked to disk. Opening it reads the list of a .zip, the headers of a .tar, and all of a
// compressed .tar, which can only be read from its beginning on: such files are read fast in their
// Order.
//
// Names that lead out of the archive, two files of one name and a content that outgrows the archive
// by far are errors. Files that are encrypted or packed by a method that is not read, sparse files,
// devices and links that lead nowhere are listed and cannot be opened; links to files of the
// archive are followed.
type Archive struct {
	path  string
	file  *os.File // closed once nothing refers to it
	root  *folder
	files int
	names int // bytes
	links []link
	tape  *tape // of a compressed tar
}

// folder is one in an archive.
type folder struct {
	list []*child
	name map[string]*child
}

// child is what lies in a folder: another, or a file.
type child struct {
	base   string
	folder *folder
	file   *packed
}

// packed is a file in an archive.
type packed struct {
	size int64
	at   int64     // where its content begins in a tar, uncompressed
	zip  *zip.File // in a .zip
	bad  string    // why it cannot be read
	// what the first bytes say, see picture.Sniff; of a compressed tar
	format  string
	picture bool
}

// link is a symbolic link: one whose path is name leads to target.
type link struct{ name, target string }

// ArchiveKind tells an archive by its first bytes, of which 512 are enough: "zip", "tar", "gzip",
// "zstd" and, which are not read, "RAR", "7-Zip", "xz", "bzip2"; "" for other files.
func ArchiveKind(head []byte) string {
	for _, m := range [...]struct{ magic, kind string }{
		{"PK\x03\x04", "zip"}, {"PK\x05\x06", "zip"}, {"\x1f\x8b\x08", "gzip"}, {"\x28\xb5\x2f\xfd", "zstd"},
		{"\x2a\x4d\x18", "zstd"}, // a frame that is passed over, before the first of content
		{"Rar!\x1a\x07", "RAR"}, {"7z\xbc\xaf\x27\x1c", "7-Zip"}, {"\xfd7zXZ\x00", "xz"}, {"BZh", "bzip2"},
	} {
		at := 0
		if len(m.magic) == 3 && m.magic[0] == '\x2a' {
			at = 1
		}
		if len(head) > at && strings.HasPrefix(string(head[at:]), m.magic) {
			return m.kind
		}
	}
	if tarfile.Is(head) {
		return "tar"
	}
	return ""
}

// newArchive reads the index of an archive.
func newArchive(path, kind string, f *os.File, size int64) (*Archive, error) {
	a := &Archive{path: path, file: f, root: &folder{}}
	var err error
	switch kind {
	case "zip":
		err = a.readZip(f, size)
	case "tar":
		err = a.readTar(f, size)
	case "gzip", "zstd":
		err = a.readTape(kind, f, size)
	default:
		return nil, fmt.Errorf("is an archive of %s, which is not read: unpack it and name the folder, or pack it as .zip, "+
			".tar, .tar.gz or .tar.zst", kind)
	}
	if err != nil {
		return nil, err
	}
	return a, a.follow()
}

// damaged is the error of an archive that cannot be understood.
func damaged(err error) error {
	return fmt.Errorf("is damaged or cut short (%w): fetch or pack it again", err)
}

// Root is the path of what lies at the top of the archive: photos.zip!
func (a *Archive) Root() string { return a.path + within }

// Close closes the archive, which cannot be read any more then. One that is not closed is when
// nothing refers to it.
func (a *Archive) Close() error {
	if a == nil || a.file == nil {
		return nil
	}
	return a.file.Close()
}

// inner is a path's part below the archive, "." for the archive itself.
func (a *Archive) inner(name string) (string, bool) {
	below, ok := strings.CutPrefix(name, a.Root())
	if !ok {
		below, ok = strings.CutPrefix(clean(name), clean(a.Root()))
	}
	if below = strings.ReplaceAll(below, string(os.PathSeparator), "/"); !ok || below != "" && below[0] != '/' {
		return "", false
	}
	return path.Clean("./" + strings.TrimLeft(below, "/")), true
}

// find is what a path names.
func (a *Archive) find(op, name string) (*child, error) {
	below, ok := a.inner(name)
	if !ok || a.root == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	c := &child{base: path.Base(clean(a.path)), folder: a.root}
	for below != "." && ok {
		if c.folder == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		first, rest, more := strings.Cut(below, "/")
		c, ok = c.folder.name[first]
		if below = rest; !more {
			break
		}
	}
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return c, nil
}

// ReadDir implements Store: entries come in the archive's own order.
func (a *Archive) ReadDir(name string) ([]fs.DirEntry, error) {
	c, err := a.find("open", name)
	if err != nil {
		return nil, err
	}
	if c.folder == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	out := make([]fs.DirEntry, len(c.folder.list))
	for i, c := range c.folder.list {
		out[i] = c
	}
	return out, nil
}

// Stat implements Store.
func (a *Archive) Stat(name string) (fs.FileInfo, error) {
	c, err := a.find("stat", name)
	if err != nil {
		return nil, err
	}
	if c.file != nil && c.file.bad != "" {
		return nil, errors.New(c.file.bad)
	}
	return c, nil
}

// Open implements Store.
func (a *Archive) Open(name string) (io.ReadCloser, error) {
	c, err := a.find("open", name)
	switch {
	case err != nil:
		return nil, err
	case c.folder != nil:
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a folder")}
	case c.file.bad != "":
		return nil, errors.New(c.file.bad)
	case c.file.zip != nil:
		r, err := c.file.zip.Open()
		if err != nil {
			return nil, damaged(err)
		}
		return r, nil
	case a.tape != nil:
		return a.tape.open(c.file)
	}
	return io.NopCloser(io.NewSectionReader(a.file, c.file.at, c.file.size)), nil
}

// place is where a file stands in the archive.
func (a *Archive) place(name string) int64 {
	if c, err := a.find("stat", name); err == nil && c.file != nil {
		return c.file.at
	}
	return 0
}

// Sniff is what is known of a file's first bytes, if anything is.
func (a *Archive) Sniff(name string) (format string, ok, known bool) {
	c, err := a.find("stat", name)
	if err != nil || c.file == nil || a.tape == nil {
		return "", false, false
	}
	return c.file.format, c.file.picture, true
}

// insert adds a file, or with nil a folder.
func (a *Archive) insert(name string, f *packed) error {
	inside, err := a.local(name)
	if err != nil || inside == "." {
		return err
	}
	at := a.root
	parts := strings.Split(inside, "/")
	for i, base := range parts {
		c := at.name[base]
		last := i == len(parts)-1
		if c == nil {
			if a.files++; a.files > maxEntries {
				return fmt.Errorf("holds more than %d files and folders: unpack it and name the folder", maxEntries)
			}
			if c = (&child{base: base}); last && f != nil {
				c.file = f
			} else {
				c.folder = &folder{}
			}
			if at.name == nil {
				at.name = map[string]*child{}
			}
			at.name[base], at.list = c, append(at.list, c)
			if c.file != nil {
				return nil
			}
		} else if last && f != nil || c.folder == nil {
			return fmt.Errorf("holds %q twice: pack it again", name)
		}
		at = c.folder
	}
	return nil
}

// local is a name in its simplest form; one that leads out of the archive is an error.
func (a *Archive) local(name string) (string, error) {
	if a.names += len(name); len(name) > maxName || a.names > maxNames || strings.Count(name, "/") > 2*maxDepth {
		return "", fmt.Errorf("holds names that are too long (%.80q...): unpack it and name the folder", name)
	}
	drive := len(name) > 2 && name[1] == ':' && (name[2] == '/' || name[2] == '\\')
	if strings.HasPrefix(name, "/") || drive || slices.Contains(strings.Split(name, "/"), "..") {
		return "", fmt.Errorf("holds the path %q, which leads out of it: pack the folder again, from within the one above",
			name)
	}
	return path.Clean("./" + name), nil
}

// follow makes links to files of the archive those files.
func (a *Archive) follow() error {
	targets := make(map[string]string, len(a.links))
	for _, l := range a.links {
		targets[path.Clean("./"+l.name)] = l.target
	}
	for _, l := range a.links {
		f := &packed{bad: fmt.Sprintf("is a symbolic link to %q, which the archive does not hold", l.target)}
		to := path.Clean("./" + l.name)
		for range 8 { // links to links
			target, more := targets[to]
			if !more {
				break
			}
			if to = path.Join(path.Dir(to), target); path.IsAbs(target) {
				break
			}
		}
		if c, err := a.find("stat", a.Root()+"/"+to); err == nil && !strings.HasPrefix(to, "..") && !path.IsAbs(to) {
			f.bad = "is a symbolic link to a folder, which is not followed: put the folder itself here"
			if c.file != nil {
				f = c.file
			}
		}
		if err := a.insert(l.name, f); err != nil {
			return err
		}
	}
	a.links = nil
	return nil
}

// child is a fs.DirEntry and the fs.FileInfo of it.

func (c *child) Name() string               { return c.base }
func (c *child) IsDir() bool                { return c.folder != nil }
func (c *child) Type() fs.FileMode          { return c.Mode().Type() }
func (c *child) Info() (fs.FileInfo, error) { return c, nil }
func (c *child) ModTime() time.Time         { return time.Time{} }
func (c *child) Sys() any                   { return nil }

func (c *child) Size() int64 {
	if c.file == nil {
		return 0
	}
	return c.file.size
}

func (c *child) Mode() fs.FileMode {
	switch {
	case c.folder != nil:
		return fs.ModeDir | 0o555
	case c.file.bad != "":
		return fs.ModeIrregular
	}
	return 0o444
}

// rank is where a file stands in archives that are read from their beginning on: the number of the
// archive, and the place in it.
type rank struct {
	archive int
	place   int64
}

// sortByRank sorts files by rank; those of one rank keep their order.
func sortByRank(order []int, ranks []rank) {
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Or(ranks[i].archive-ranks[j].archive, cmp.Compare(ranks[i].place, ranks[j].place))
	})
}
