package cache

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/c236555e/rehead/internal/filelock"
)

// Format says what a Store keeps and under which key. Two formats never share a file.
type Format struct {
	Name    string // for errors, such as "bottleneck cache"
	Magic   string // the file's first 8 bytes
	Version uint32
	Suffix  string // of the file's name, such as ".bottlenecks"
	Key     []byte // what the records depend on
	Length  int    // bytes of a record's value, at least 1
}

// Store keeps values of one length on disk by the SHA-256 of the bytes they were made from. It is
// safe for concurrent use by goroutines and by processes: each append is made under a lock on the
// file.
//
// The file: magic, version, length of the key, the key, CRC-32C of all that; then records of equal
// length: 32 bytes of digest, the value, CRC-32C of both; little-endian throughout. It only ever
// grows. A record that was cut short by a crash is cut off when the file is next opened or appended
// to; one whose bytes are damaged is passed over, and its value is made anew.
type Store struct {
	mu      sync.RWMutex
	file    *os.File
	path    string
	name    string
	length  int   // of a whole record
	end     int64 // how far the records have been indexed
	index   map[[sha256.Size]byte]int64
	damaged int
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrClosed is returned by a Store's methods after Close.
var ErrClosed = errors.New("dataset: cache: already closed")

// header is the file's beginning.
func (f Format) header() []byte {
	h := []byte(f.Magic)
	h = binary.LittleEndian.AppendUint32(h, f.Version)
	h = binary.LittleEndian.AppendUint32(h, uint32(len(f.Key)))
	h = append(h, f.Key...)
	return binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// OpenStore opens the file of a format in dir, and makes both where they are missing. Records are
// checked as they are indexed.
func OpenStore(dir string, f Format) (*Store, error) {
	s := &Store{name: f.Name, length: sha256.Size + f.Length + 4, index: make(map[[sha256.Size]byte]int64)}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, s.wrap(err)
	}
	header := f.header()
	digest := sha256.Sum256(header)
	s.path = filepath.Join(dir, hex.EncodeToString(digest[:16])+f.Suffix)
	s.end = int64(len(header))
	var err error
	if s.file, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, s.wrap(err)
	}
	if err := s.locked(func() error { return s.open(header) }); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func (s *Store) wrap(err error) error { return fmt.Errorf("dataset: %s: %w", s.name, err) }

// locked runs do while no other process appends.
func (s *Store) locked(do func() error) error {
	unlock, err := filelock.Lock(s.path)
	if err != nil {
		return fmt.Errorf("dataset: %s %q: cannot lock: %w", s.name, s.path, err)
	}
	err = do()
	if e := unlock(); e != nil && err == nil {
		err = fmt.Errorf("dataset: %s %q: cannot unlock: %w", s.name, s.path, e)
	}
	return err
}

// open checks or writes the header, and indexes the records.
func (s *Store) open(header []byte) error {
	got := make([]byte, len(header))
	n, err := s.file.ReadAt(got, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return s.wrap(err)
	}
	if !bytes.HasPrefix(header, got[:n]) {
		return fmt.Errorf("dataset: %s %q: the file's header is not this version's for these weights and "+
			"recipe: delete the file", s.name, s.path)
	}
	if n < len(header) { // new, or cut short while it was being made
		if err := s.file.Truncate(0); err != nil {
			return s.wrap(err)
		}
		if _, err := s.file.WriteAt(header, 0); err != nil {
			return s.wrap(err)
		}
	}
	return s.refresh()
}

// refresh indexes what was appended since the last time and cuts off a torn end. The caller holds
// the lock, so nobody is in the middle of an append: what is not a whole record was left by a
// process that died.
func (s *Store) refresh() error {
	info, err := s.file.Stat()
	if err != nil {
		return s.wrap(err)
	}
	size := info.Size()
	if size < s.end {
		return fmt.Errorf("dataset: %s %q: the file shrank from %d to %d bytes while it was open: "+
			"close it and begin again", s.name, s.path, s.end, size)
	}
	length := int64(s.length)
	whole := s.end + (size-s.end)/length*length
	if whole < size {
		if err := s.file.Truncate(whole); err != nil {
			return s.wrap(err)
		}
	}
	if whole == s.end {
		return nil
	}
	r := bufio.NewReaderSize(io.NewSectionReader(s.file, s.end, whole-s.end), 1<<20)
	record := make([]byte, length)
	for ; s.end < whole; s.end += length {
		if _, err := io.ReadFull(r, record); err != nil {
			return s.wrap(err)
		}
		if !sound(record) {
			s.damaged++
			continue
		}
		s.index[[sha256.Size]byte(record)] = s.end
	}
	return nil
}

func sound(record []byte) bool {
	body := record[:len(record)-4]
	return crc32.Checksum(body, castagnoli) == binary.LittleEndian.Uint32(record[len(body):])
}

// records holds buffers of one record between calls.
var records = sync.Pool{New: func() any { return new([]byte) }}

// Get passes the value of this digest to use, which must not keep it, and tells whether there is
// one.
func (s *Store) Get(sha [sha256.Size]byte, use func(value []byte)) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.index[sha]
	if !ok || s.file == nil {
		return false
	}
	buf := records.Get().(*[]byte)
	defer records.Put(buf)
	*buf = slices.Grow((*buf)[:0], s.length)
	record := (*buf)[:s.length]
	if _, err := s.file.ReadAt(record, at); err != nil || !sound(record) || [sha256.Size]byte(record) != sha {
		return false
	}
	use(record[sha256.Size : s.length-4])
	return true
}

// Put stores a copy of a value. One that is there already, put by whichever process, is left as it
// is.
func (s *Store) Put(sha [sha256.Size]byte, value []byte) error {
	if want := s.length - sha256.Size - 4; len(value) != want {
		return fmt.Errorf("dataset: %s: put: got %d bytes, want %d", s.name, len(value), want)
	}
	record := append(append(make([]byte, 0, s.length), sha[:]...), value...)
	record = binary.LittleEndian.AppendUint32(record, crc32.Checksum(record, castagnoli))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return ErrClosed
	}
	if s.has(sha) {
		return nil
	}
	return s.locked(func() error {
		if err := s.refresh(); err != nil {
			return err
		}
		if s.has(sha) {
			return nil
		}
		if _, err := s.file.WriteAt(record, s.end); err != nil {
			return errors.Join(s.wrap(err), s.file.Truncate(s.end))
		}
		s.index[sha] = s.end
		s.end += int64(len(record))
		return nil
	})
}

// Merge puts every sound record of other, which must be of the same format, into s, and returns how
// many were new.
func (s *Store) Merge(other *Store) (added int, err error) {
	if other == nil || other == s {
		return 0, errors.New("dataset: cache: merge: got none to merge, or the same one")
	}
	other.mu.RLock()
	sums := slices.Collect(maps.Keys(other.index))
	other.mu.RUnlock()
	for _, sha := range sums {
		if s.Get(sha, func([]byte) {}) {
			continue
		}
		if ok := other.Get(sha, func(value []byte) { err = s.Put(sha, value) }); !ok {
			continue
		}
		if err != nil {
			return added, err
		}
		added++
	}
	return added, nil
}

// has tells whether a sound record of sha is on disk; one that was damaged since it was indexed is
// not.
func (s *Store) has(sha [sha256.Size]byte) bool {
	at, ok := s.index[sha]
	if !ok {
		return false
	}
	record := make([]byte, s.length)
	_, err := s.file.ReadAt(record, at)
	return err == nil && sound(record)
}

// Len returns the number of records that this Store knows of; another process's are met at the
// next Put.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.index)
}

// Damaged returns how many records failed their checksum.
func (s *Store) Damaged() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.damaged
}

// Path returns the cache file's path.
func (s *Store) Path() string { return s.path }

// Close syncs and closes the file. A second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Sync(), s.file.Close())
	s.file = nil
	return err
}
