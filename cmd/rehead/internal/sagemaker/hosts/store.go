package hosts

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// Store has the files of all hosts below the folders of channels that are sharded among them, under the
// paths that they would have if one host had them all; elsewhere it is the disk. It is a source.Far: files
// of other hosts are fetched from these.
type Store struct {
	nodes  map[string]*node // by path
	fetch  func(host string, place int, off, n int64) (io.ReadCloser, error)
	mine   string
	mu     sync.RWMutex
	digest map[string][sha256.Size]byte // by path
}

// node is a file or a folder.
type node struct {
	file
	name  string
	below map[string]*node // of a folder
	host  string           // that has the file
	place int              // among that host's
}

// newStore puts together what hosts have below folders. Of a file that several have, the first by name is
// asked; it has to be as long everywhere.
func newStore(mine string, dirs []string, have map[string]inventory) (*Store, error) {
	s := &Store{nodes: map[string]*node{}, mine: mine, digest: map[string][sha256.Size]byte{}}
	for _, dir := range dirs {
		s.folder(filepath.Clean(dir))
	}
	for _, host := range slices.Sorted(maps.Keys(have)) {
		for place, f := range have[host].Files {
			if f.Channel < 0 || f.Channel >= len(dirs) || !filepath.IsLocal(filepath.FromSlash(f.Path)) || f.Bytes < 0 {
				return nil, fmt.Errorf("train: host %s says that it has %q of channel %d, which cannot be: its build is another",
					host, f.Path, f.Channel)
			}
			path := filepath.Join(dirs[f.Channel], filepath.FromSlash(f.Path))
			if f.Folder {
				s.folder(path)
				continue
			}
			switch old := s.nodes[path]; {
			case old == nil:
				n := &node{file: f, name: filepath.Base(path), host: host, place: place}
				s.nodes[path] = n
				s.folder(filepath.Dir(path)).below[n.name] = n
			case old.below != nil || old.Bytes != f.Bytes:
				return nil, fmt.Errorf("train: hosts %s and %s have another file each under the name %s", old.host, host, path)
			}
		}
	}
	return s, nil
}

// folder is the node of a folder, which is made with those above it up to the channel's.
func (s *Store) folder(path string) *node {
	if n := s.nodes[path]; n != nil && n.below != nil {
		return n
	}
	n := &node{name: filepath.Base(path), below: map[string]*node{}}
	s.nodes[path] = n
	if up := s.nodes[filepath.Dir(path)]; up != nil || s.within(filepath.Dir(path)) {
		s.folder(filepath.Dir(path)).below[n.name] = n
	}
	return n
}

// within tells whether a path lies below a channel's folder, which are there before all else.
func (s *Store) within(path string) bool {
	for up := filepath.Dir(path); up != path; path, up = up, filepath.Dir(up) {
		if n := s.nodes[path]; n != nil {
			return true
		}
	}
	return false
}

// find is the node of a path; elsewhere tells that it lies in no sharded channel.
func (s *Store) find(op, path string) (n *node, elsewhere bool, err error) {
	path = filepath.Clean(path)
	if n = s.nodes[path]; n != nil {
		return n, false, nil
	}
	if s.within(path) {
		return nil, false, &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
	}
	return nil, true, nil
}

// OpenPath is source.Open of a path that may lie in a sharded channel.
func (s *Store) OpenPath(path string) (source.Store, string, error) {
	if _, elsewhere, _ := s.find("stat", path); elsewhere { // an archive, say
		store, root, err := source.Open(path)
		if _, disk := store.(source.Disk); err != nil || !disk {
			return store, root, err
		}
	}
	return s, path, nil
}

// ReadDir implements source.Store.
func (s *Store) ReadDir(path string) ([]fs.DirEntry, error) {
	n, elsewhere, err := s.find("readdir", path)
	switch {
	case err != nil:
		return nil, err
	case elsewhere:
		return source.Disk{}.ReadDir(path)
	case n.below == nil:
		return nil, &fs.PathError{Op: "readdir", Path: path, Err: fmt.Errorf("is a file, not a folder")}
	}
	out := make([]fs.DirEntry, 0, len(n.below))
	for _, b := range n.below {
		out = append(out, fs.FileInfoToDirEntry(b))
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return out, nil
}

// Stat implements source.Store.
func (s *Store) Stat(path string) (fs.FileInfo, error) {
	n, elsewhere, err := s.find("stat", path)
	if elsewhere {
		return source.Disk{}.Stat(path)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Sniff tells what the host that has a file saw in its first bytes.
func (s *Store) Sniff(path string) (format string, ok, known bool) {
	n, _, err := s.find("open", path)
	if err != nil || n == nil || !n.Sniffed {
		return "", false, false
	}
	return n.Format, n.Picture, true
}

// Open implements source.Store.
func (s *Store) Open(path string) (io.ReadCloser, error) {
	info, err := s.Stat(path)
	if err != nil {
		return nil, err
	}
	return s.OpenRange(path, 0, info.Size())
}

// OpenRange implements source.Far.
func (s *Store) OpenRange(path string, off, n int64) (io.ReadCloser, error) {
	at, elsewhere, err := s.find("open", path)
	switch {
	case err != nil:
		return nil, err
	case elsewhere || at.host == s.mine:
		return source.File{Path: path}.OpenRange(off, n)
	case at.below != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("is a folder, not a file")}
	}
	n = max(0, min(n, at.Bytes-off))
	if n == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return s.fetch(at.host, at.place, off, n)
}

// ReadFile implements source.Far.
func (s *Store) ReadFile(path string, limit int64) (data []byte, err error) {
	at, elsewhere, err := s.find("open", path)
	if err != nil {
		return nil, err
	}
	if elsewhere || at.host == s.mine {
		return source.Read(path, picture.Limits{MaxBytes: limit})
	}
	if at.Bytes > limit {
		return nil, fmt.Errorf("%q: %w", path, &picture.TooLargeError{What: "bytes", Got: at.Bytes, Limit: limit})
	}
	r, err := s.OpenRange(path, 0, at.Bytes)
	if err != nil {
		return nil, err
	}
	data, err = io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if sum, known := s.Digest(path); err == nil && known && sha256.Sum256(data) != sum {
		err = fmt.Errorf("%s: host %s sent other bytes than it embedded", path, at.host)
	}
	return data, err
}

// Digest implements source.Far: it is known once the file's host has embedded it.
func (s *Store) Digest(path string) (sum [sha256.Size]byte, known bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sum, known = s.digest[filepath.Clean(path)]
	return sum, known
}

func (s *Store) know(path string, sum [sha256.Size]byte) {
	if sum == [sha256.Size]byte{} {
		return
	}
	s.mu.Lock()
	s.digest[filepath.Clean(path)] = sum
	s.mu.Unlock()
}

// AtOnce implements source.Far.
func (*Store) AtOnce() int { return 16 }

// has are the pictures of a host among some, by their places in both lists.
func (s *Store) has(host string, paths []string) (at, place []int) {
	for i, p := range paths {
		if n := s.nodes[filepath.Clean(p)]; n != nil && n.host == host {
			at, place = append(at, i), append(place, n.place)
		} else if n == nil && host == s.mine { // not of a sharded channel
			at, place = append(at, i), append(place, -1)
		}
	}
	return at, place
}

// Name is part of fs.FileInfo, as are the others.
func (n *node) Name() string { return n.name }

// Size returns bytes.
func (n *node) Size() int64 { return n.Bytes }

// Mode tells folders from files.
func (n *node) Mode() fs.FileMode {
	if n.below != nil {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// ModTime is not known.
func (*node) ModTime() time.Time { return time.Time{} }

// IsDir tells folders.
func (n *node) IsDir() bool { return n.below != nil }

// Sys returns nil.
func (*node) Sys() any { return nil }

// inventory is what a host has of the sharded channels, and the port on which it hands that out.
type inventory struct {
	Port  int    `json:"port"`
	Files []file `json:"files"`
}

// file is a file or folder of a sharded channel.
type file struct {
	Channel int    `json:"c"` // place among the sharded ones
	Path    string `json:"p"` // slash path below the channel's folder
	Bytes   int64  `json:"s,omitempty"`
	Folder  bool   `json:"d,omitempty"`
	Sniffed bool   `json:"k,omitempty"` // its first bytes were read: see picture.Sniff
	Format  string `json:"f,omitempty"`
	Picture bool   `json:"o,omitempty"`
}

// takeStock lists what this host has. A folder that is not there holds nothing: there may be more hosts
// than objects.
func takeStock(dirs []string) (have inventory, err error) {
	for c, dir := range dirs {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			continue
		}
		w := source.NewWalker(dir, 0)
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == dir {
				return err
			}
			f := file{Channel: c, Path: filepath.ToSlash(strings.TrimPrefix(path[len(dir):], string(filepath.Separator))),
				Folder: d.IsDir()}
			if !f.Folder {
				info, err := os.Stat(path)
				if err != nil || !info.Mode().IsRegular() {
					return nil //nolint:nilerr // a link that leads nowhere, say
				}
				f.Bytes = info.Size()
				if f.Bytes > 0 {
					f.Format, f.Picture, err = w.Sniff(path, info)
					f.Sniffed = err == nil
				}
			}
			have.Files = append(have.Files, f)
			return nil
		})
		if err != nil {
			return have, fmt.Errorf("train: channel %s: %w", filepath.Base(dir), err)
		}
	}
	return have, nil
}
