package dataset

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/c236555e/rehead/internal/filelock"
)

// CacheKey says which bottlenecks belong together. Two keys never share a file.
type CacheKey struct {
	Trunk    string `json:"trunk"` // digest of the trunk's weights, hexadecimal
	Recipe   Recipe `json:"recipe"`
	Features int    `json:"features"` // length of a bottleneck, 1..65,536
}

// Cache keeps bottlenecks on disk by the SHA-256 of their picture's bytes, so that an edited
// picture, another trunk or another recipe never finds a stale one. It is safe for concurrent use
// by goroutines and by processes: each append is made under a lock on the file.
//
// The file: "REHEADBN", version, length of the key, the key as JSON, CRC-32C of all that; then
// records of equal length: 32 bytes of digest, Features float32, CRC-32C of both; little-endian
// throughout. It only ever grows. A record that was cut short by a crash is cut off when the file
// is next opened or appended to; one whose bytes are damaged is passed over, and its picture is
// computed anew.
type Cache struct {
	mu       sync.RWMutex
	file     *os.File
	path     string
	features int
	start    int64 // where the records begin
	end      int64 // how far they have been indexed
	index    map[[sha256.Size]byte]int64
	damaged  int
}

const (
	cacheMagic   = "REHEADBN"
	cacheVersion = 1
	maxFeatures  = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrCacheClosed is returned by a Cache's methods after Close.
var ErrCacheClosed = errors.New("dataset: bottleneck cache: already closed")

// header is the file's beginning for a key.
func (k CacheKey) header() ([]byte, error) {
	if k.Features < 1 || k.Features > maxFeatures {
		return nil, fmt.Errorf("dataset: bottleneck cache: features: got %d, want 1..%d", k.Features, maxFeatures)
	}
	if k.Trunk == "" {
		return nil, errors.New("dataset: bottleneck cache: the trunk's digest is empty, want the " +
			"hexadecimal digest of its weights")
	}
	if err := k.Recipe.Validate(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("dataset: bottleneck cache: key: %w", err)
	}
	h := []byte(cacheMagic)
	h = binary.LittleEndian.AppendUint32(h, cacheVersion)
	h = binary.LittleEndian.AppendUint32(h, uint32(len(text)))
	h = append(h, text...)
	return binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli)), nil
}

// OpenCache opens the cache file of key in dir, and makes both where they are missing. Records are
// checked as they are indexed.
func OpenCache(dir string, key CacheKey) (*Cache, error) {
	header, err := key.header()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("dataset: bottleneck cache: %w", err)
	}
	digest := sha256.Sum256(header)
	c := &Cache{
		path:     filepath.Join(dir, hex.EncodeToString(digest[:16])+".bottlenecks"),
		features: key.Features,
		start:    int64(len(header)),
		end:      int64(len(header)),
		index:    make(map[[sha256.Size]byte]int64),
	}
	if c.file, err = os.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, fmt.Errorf("dataset: bottleneck cache: %w", err)
	}
	if err := c.locked(func() error { return c.open(header) }); err != nil {
		return nil, errors.Join(err, c.file.Close())
	}
	return c, nil
}

// locked runs do while no other process appends.
func (c *Cache) locked(do func() error) error {
	unlock, err := filelock.Lock(c.path)
	if err != nil {
		return fmt.Errorf("dataset: bottleneck cache %q: cannot lock: %w", c.path, err)
	}
	err = do()
	if e := unlock(); e != nil && err == nil {
		err = fmt.Errorf("dataset: bottleneck cache %q: cannot unlock: %w", c.path, e)
	}
	return err
}

// open checks or writes the header, and indexes the records.
func (c *Cache) open(header []byte) error {
	got := make([]byte, len(header))
	n, err := c.file.ReadAt(got, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("dataset: bottleneck cache: %w", err)
	}
	if !bytes.HasPrefix(header, got[:n]) {
		return fmt.Errorf("dataset: bottleneck cache %q: the file's header is not this version's for these weights and "+
			"recipe: delete the file", c.path)
	}
	if n < len(header) { // new, or cut short while it was being made
		if err := c.file.Truncate(0); err != nil {
			return fmt.Errorf("dataset: bottleneck cache: %w", err)
		}
		if _, err := c.file.WriteAt(header, 0); err != nil {
			return fmt.Errorf("dataset: bottleneck cache: %w", err)
		}
	}
	return c.refresh()
}

func (c *Cache) recordLen() int64 { return sha256.Size + 4*int64(c.features) + 4 }

// refresh indexes what was appended since the last time and cuts off a torn end. The caller holds
// the lock, so nobody is in the middle of an append: what is not a whole record was left by a
// process that died.
func (c *Cache) refresh() error {
	info, err := c.file.Stat()
	if err != nil {
		return fmt.Errorf("dataset: bottleneck cache: %w", err)
	}
	size := info.Size()
	if size < c.end {
		return fmt.Errorf("dataset: bottleneck cache %q: the file shrank from %d to %d bytes while it was open: "+
			"close it and begin again", c.path, c.end, size)
	}
	length := c.recordLen()
	whole := c.end + (size-c.end)/length*length
	if whole < size {
		if err := c.file.Truncate(whole); err != nil {
			return fmt.Errorf("dataset: bottleneck cache: %w", err)
		}
	}
	if whole == c.end {
		return nil
	}
	r := bufio.NewReaderSize(io.NewSectionReader(c.file, c.end, whole-c.end), 1<<20)
	record := make([]byte, length)
	for ; c.end < whole; c.end += length {
		if _, err := io.ReadFull(r, record); err != nil {
			return fmt.Errorf("dataset: bottleneck cache: %w", err)
		}
		if !sound(record) {
			c.damaged++
			continue
		}
		c.index[[sha256.Size]byte(record)] = c.end
	}
	return nil
}

func sound(record []byte) bool {
	body := record[:len(record)-4]
	return crc32.Checksum(body, castagnoli) == binary.LittleEndian.Uint32(record[len(body):])
}

// records holds buffers of one record between calls.
var records = sync.Pool{New: func() any { return new([]byte) }}

// Get returns the bottleneck of the picture with this digest in a slice of its own, and whether
// there is one.
func (c *Cache) Get(sha [sha256.Size]byte) ([]float32, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	at, ok := c.index[sha]
	if !ok || c.file == nil {
		return nil, false
	}
	buf := records.Get().(*[]byte)
	defer records.Put(buf)
	*buf = grow(*buf, int(c.recordLen()))
	record := *buf
	if _, err := c.file.ReadAt(record, at); err != nil || !sound(record) || [sha256.Size]byte(record) != sha {
		return nil, false
	}
	v := make([]float32, c.features)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(record[sha256.Size+4*i:]))
	}
	return v, true
}

// Put stores a bottleneck; v is copied. A picture that is there already, put by whichever process,
// is left as it is.
func (c *Cache) Put(sha [sha256.Size]byte, v []float32) error {
	if len(v) != c.features {
		return fmt.Errorf("dataset: bottleneck cache: put: got %d values, want %d", len(v), c.features)
	}
	record := make([]byte, 0, c.recordLen())
	record = append(record, sha[:]...)
	for _, f := range v {
		record = binary.LittleEndian.AppendUint32(record, math.Float32bits(f))
	}
	record = binary.LittleEndian.AppendUint32(record, crc32.Checksum(record, castagnoli))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return ErrCacheClosed
	}
	if c.has(sha, record) {
		return nil
	}
	return c.locked(func() error {
		if err := c.refresh(); err != nil {
			return err
		}
		if c.has(sha, record) {
			return nil
		}
		if _, err := c.file.WriteAt(record, c.end); err != nil {
			return errors.Join(fmt.Errorf("dataset: bottleneck cache: %w", err), c.file.Truncate(c.end))
		}
		c.index[sha] = c.end
		c.end += int64(len(record))
		return nil
	})
}

// Merge puts every sound record of other, which must be of the same key, into c, and returns how
// many were new.
func (c *Cache) Merge(other *Cache) (added int, err error) {
	other.mu.RLock()
	sums := slices.Collect(maps.Keys(other.index))
	other.mu.RUnlock()
	for _, sha := range sums {
		v, ok := other.Get(sha)
		if _, have := c.Get(sha); have || !ok {
			continue
		}
		if err := c.Put(sha, v); err != nil {
			return added, err
		}
		added++
	}
	return added, nil
}

// has tells whether a sound record of sha is on disk; one that was damaged since it was indexed is
// not.
func (c *Cache) has(sha [sha256.Size]byte, scratch []byte) bool {
	at, ok := c.index[sha]
	if !ok {
		return false
	}
	record := make([]byte, len(scratch))
	_, err := c.file.ReadAt(record, at)
	return err == nil && sound(record)
}

// Len returns the number of pictures that this Cache knows of; another process's are met at the
// next Put.
func (c *Cache) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.index)
}

// Damaged returns how many records failed their checksum.
func (c *Cache) Damaged() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.damaged
}

// Path returns the cache file's path.
func (c *Cache) Path() string { return c.path }

// Close syncs and closes the file. A second Close does nothing.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	err := errors.Join(c.file.Sync(), c.file.Close())
	c.file = nil
	return err
}
