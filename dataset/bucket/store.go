package bucket

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // see resume.go
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// Digests keeps the SHA-256 of objects that were read, by what a listing says of them; a
// *cache.Store with values of 32 bytes is one.
type Digests interface {
	Get(key [sha256.Size]byte, use func(value []byte)) bool
	Put(key [sha256.Size]byte, value []byte) error
}

// Config says what a Store opens. The zero value works, but for Open.
type Config struct {
	Scheme string // of its paths; "" means "s3"
	// opens a bucket by its name
	Open    func(name string) (Bucket, error)
	Digests func() Digests // optional: asked at each use; nil is none
	AtOnce  int            // objects fetched at a time; 0 means 32
}

// Store is a source.Store of buckets: s3://flowers/train/daisy/1.jpg. A prefix that is looked into
// is listed once with all that is below it; what is written after that shows in a new Store only,
// and reading what was written anew is ErrChanged. Objects named like pictures are taken for
// pictures without a look at their first bytes.
type Store struct {
	ctx context.Context
	cfg Config

	mu      sync.Mutex
	buckets map[string]*listing
}

var _ source.Far = (*Store)(nil)

// NewStore returns a Store whose requests end with ctx.
func NewStore(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Open == nil || cfg.AtOnce < 0 || cfg.AtOnce > 1<<10 {
		return nil, fmt.Errorf("dataset: bucket: got AtOnce %d and Open %v, want 0 (for 32) to 1,024, and what opens buckets",
			cfg.AtOnce, cfg.Open != nil)
	}
	if cfg.Scheme == "" {
		cfg.Scheme = "s3"
	}
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 32
	}
	return &Store{ctx: ctx, cfg: cfg, buckets: map[string]*listing{}}, nil
}

// Split parts an address into the names of its bucket and of its key, which does not end in "/".
func Split(address string) (bucket, key string, err error) {
	scheme := source.Scheme(address)
	rest := strings.TrimLeft(filepath.ToSlash(address[min(len(address), len(scheme)+1):]), "/")
	if bucket, key, _ = strings.Cut(rest, "/"); scheme == "" || bucket == "" {
		return "", "", fmt.Errorf("%s: names no bucket, want such as s3://bucket/folder", address)
	}
	if key = path.Clean("/" + key)[1:]; strings.ContainsRune(key, 0) || !utf8.ValidString(key) {
		return "", "", fmt.Errorf("%q: has characters that no key has", address)
	}
	return bucket, key, nil
}

// at is where a path leads.
func (s *Store) at(address string) (*listing, string, error) {
	bucket, key, err := Split(address)
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.buckets[bucket]; l != nil {
		return l, key, nil
	}
	b, err := s.cfg.Open(bucket)
	if err != nil {
		return nil, "", err
	}
	l := newListing(s.ctx, b)
	s.buckets[bucket] = l
	return l, key, nil
}

// find is what a path names: an object, or with nil a folder.
func (s *Store) find(op, address string) (*listing, *Object, error) {
	l, key, err := s.at(address)
	if err != nil {
		return nil, nil, &fs.PathError{Op: op, Path: address, Err: err}
	}
	o, err := l.stat(key)
	if err != nil {
		return nil, nil, &fs.PathError{Op: op, Path: address, Err: err}
	}
	return l, o, nil
}

// object is find of what must be an object.
func (s *Store) object(op, address string) (*listing, *Object, error) {
	l, o, err := s.find(op, address)
	if err == nil && o == nil {
		err = &fs.PathError{Op: op, Path: address, Err: errors.New("is a folder")}
	}
	return l, o, err
}

// inFolder are the objects below a folder, and what their keys begin with.
func (s *Store) inFolder(address string) (all []Object, prefix string, err error) {
	l, key, err := s.at(address)
	if err == nil {
		if key != "" {
			prefix = key + "/"
		}
		if all, err = l.below(prefix); err == nil && len(all) == 0 {
			if err = fs.ErrNotExist; key == "" {
				err = errors.New("the bucket is empty")
			}
		}
	}
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: address, Err: err}
	}
	return all, prefix, err
}

// Pathless are the objects in a folder whose keys go on with an element that is empty, "." or "..", as what
// follows the folder's address: no path leads to them. Of a folder that cannot be read there are none.
func (s *Store) Pathless(address string) (below []string) {
	all, prefix, err := s.inFolder(address)
	if err != nil {
		return nil
	}
	return pathless(all, prefix)
}

// ReadDir implements source.Store.
func (s *Store) ReadDir(address string) ([]fs.DirEntry, error) {
	all, prefix, err := s.inFolder(address)
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	children(all, prefix, func(base string, o *Object) { entries = append(entries, newEntry(base, o)) })
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat implements source.Store.
func (s *Store) Stat(address string) (fs.FileInfo, error) {
	_, o, err := s.find("stat", address)
	if err != nil {
		return nil, err
	}
	return newEntry(path.Base(filepath.ToSlash(address)), o), nil
}

// checkedBytes is the length of the objects that Open fetches whole, so that what came is checked.
const checkedBytes = 64 << 20

// Open implements source.Store.
func (s *Store) Open(address string) (io.ReadCloser, error) {
	l, o, err := s.object("open", address)
	if err != nil {
		return nil, err
	}
	if o.Size > checkedBytes {
		return o.Open(s.ctx, l.b), nil
	}
	data, err := Fetch(s.ctx, l.b, *o)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: address, Err: err}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// OpenRange implements source.Far.
func (s *Store) OpenRange(address string, off, n int64) (io.ReadCloser, error) {
	l, o, err := s.object("open", address)
	if err != nil {
		return nil, err
	}
	if off < 0 || n < 0 || off > o.Size || n > o.Size-off {
		return nil, &fs.PathError{Op: "open", Path: address,
			Err: fmt.Errorf("got %d bytes from %d on, but it has %d", n, off, o.Size)}
	}
	return OpenRange(s.ctx, l.b, *o, off, n), nil
}

// ReadFile implements source.Far.
func (s *Store) ReadFile(address string, limit int64) ([]byte, error) {
	l, o, err := s.object("open", address)
	if err != nil {
		return nil, err
	}
	if o.Size > limit {
		return nil, fmt.Errorf("%q: %w", address, &picture.TooLargeError{What: "bytes", Got: o.Size, Limit: limit})
	}
	data, err := Fetch(s.ctx, l.b, *o)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: address, Err: err}
	}
	if d := s.digests(); d != nil {
		sum := sha256.Sum256(data)
		err = d.Put(o.version(l.b), sum[:])
	}
	return data, err
}

func (s *Store) digests() Digests {
	if s.cfg.Digests == nil {
		return nil
	}
	return s.cfg.Digests()
}

// Digest implements source.Far.
func (s *Store) Digest(address string) (sum [sha256.Size]byte, known bool) {
	d := s.digests()
	if d == nil {
		return sum, false
	}
	l, o, err := s.object("stat", address)
	if err != nil {
		return sum, false
	}
	known = d.Get(o.version(l.b), func(value []byte) { copy(sum[:], value) })
	return sum, known
}

// version is what digests know an object by: where it is, its ETag and its length.
func (o *Object) version(b Bucket) [sha256.Size]byte {
	var text []byte
	for _, part := range [...]string{b.Place(), o.Key, o.ETag} {
		text = binary.LittleEndian.AppendUint64(text, uint64(len(part)))
		text = append(text, part...)
	}
	return sha256.Sum256(binary.LittleEndian.AppendUint64(text, uint64(o.Size)))
}

// Version is another whenever an object is written anew, and for each object.
func (s *Store) Version(address string) (v [sha256.Size]byte, err error) {
	l, o, err := s.object("stat", address)
	if err == nil {
		v = o.version(l.b)
	}
	return v, err
}

// Object is what a listing says of an object.
func (s *Store) Object(address string) (Object, error) {
	_, o, err := s.object("stat", address)
	if err != nil {
		return Object{}, err
	}
	return *o, nil
}

// Know tells the store of an object as another store has listed it, so that it is opened without being
// measured again; whatever its Key is, the address names it.
func (s *Store) Know(address string, o Object) error {
	l, key, err := s.at(address)
	if err != nil {
		return &fs.PathError{Op: "know", Path: address, Err: err}
	}
	o.Key = key
	l.mu.Lock()
	defer l.mu.Unlock()
	l.single[key] = &o
	return nil
}

// FetchFile writes an object to a new file, checked as Fetch checks what it reads.
func (s *Store) FetchFile(address, local string) (err error) {
	l, o, err := s.object("open", address)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(local, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return twice(l.b, *o, func() ([md5.Size]byte, error) {
		sum := md5.New() //nolint:gosec // see resume.go
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return [md5.Size]byte{}, err
		}
		r := o.Open(s.ctx, l.b)
		_, err := io.Copy(io.MultiWriter(f, sum), r)
		return [md5.Size]byte(sum.Sum(nil)), errors.Join(err, r.Close())
	})
}

// AtOnce implements source.Far.
func (s *Store) AtOnce() int { return s.cfg.AtOnce }

// Sniff says that an object is a picture where its name does: looking at the first bytes of each
// would be a request for each. One that is none after all shows when it is read.
func (s *Store) Sniff(address string) (format string, ok, known bool) {
	switch strings.ToLower(path.Ext(filepath.ToSlash(address))) {
	case ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff":
		return "", true, true
	}
	return "", false, false
}

// entry is a fs.DirEntry and the fs.FileInfo of it.
type entry struct {
	base     string
	size     int64
	modified time.Time
	folder   bool
}

func newEntry(base string, o *Object) *entry {
	if o == nil {
		return &entry{base: base, folder: true}
	}
	return &entry{base: base, size: o.Size, modified: o.Modified}
}

func (e *entry) Name() string               { return e.base }
func (e *entry) IsDir() bool                { return e.folder }
func (e *entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e *entry) Info() (fs.FileInfo, error) { return e, nil }
func (e *entry) ModTime() time.Time         { return e.modified }
func (e *entry) Size() int64                { return e.size }
func (e *entry) Sys() any                   { return nil }

func (e *entry) Mode() fs.FileMode {
	if e.folder {
		return fs.ModeDir | 0o555
	}
	return 0o444
}
