package dataset

import (
	"crypto/sha256"
	"errors"
	"image"
)

var errEarly = errors.New("dataset: this part of the package is being written")

// Limits bound what Decode is willing to look at. The zero value means the defaults.
type Limits struct {
	MaxBytes  int64 // largest encoded picture in bytes; 0 means 32 MiB
	MaxPixels int64 // largest width x height in pixels; 0 means 64 * 2^20
}

// Info says what a decoded picture was.
type Info struct {
	Format        string // "jpeg", "png", "gif", "bmp", "webp" or "tiff"
	Width, Height int    // in pixels, as stored: before Orientation is applied
	Orientation   int    // EXIF orientation 1..8; 1 when the file says nothing
}

// Decode decodes one picture by its magic bytes.
func Decode(data []byte, lim Limits) (image.Image, Info, error) { return nil, Info{}, errEarly }

// ReadFile reads a regular file of at most lim.MaxBytes bytes.
func ReadFile(path string, lim Limits) ([]byte, error) { return nil, errEarly }

// ErrUnsupported is what errors.Is finds in the error of a file that is no picture, or a picture of a kind not decoded here.
var ErrUnsupported = errors.New("unsupported picture")

// TooLargeError says that a picture exceeds Limits.
type TooLargeError struct {
	What      string // "bytes" or "pixels"
	Got, Want int64  // what the picture has, and the limit
}

func (e *TooLargeError) Error() string { return "dataset: decode: too many " + e.What }

// DecodeError says that a picture is damaged.
type DecodeError struct {
	Format string
	Err    error
}

func (e *DecodeError) Error() string { return "dataset: decode: " + e.Format + ": " + e.Err.Error() }
func (e *DecodeError) Unwrap() error { return e.Err }

// Recipe turns a picture into the network's input.
type Recipe struct {
	Size     int        `json:"size"`               // output is [3,Size,Size]
	Orient   bool       `json:"orient"`             // EXIF orientation is applied first
	Geometry string     `json:"geometry"`           // "squash", "crop" or "central"
	Resize   int        `json:"resize,omitempty"`   // "crop": the short side is resized to this many pixels
	Fraction float64    `json:"fraction,omitempty"` // "central": the part of each side that is kept, in (0,1]
	Filter   string     `json:"filter"`             // "tf1-bilinear", "bilinear", "bicubic", "lanczos" or "nearest"
	Mean     [3]float32 `json:"mean"`               // R, G, B, in 0..255
	Std      [3]float32 `json:"std"`                // R, G, B, in 0..255
}

// Validate names the first field that is wrong.
func (r Recipe) Validate() error { return errEarly }

// Apply writes the [3,Size,Size] tensor of img to dst.
func (r Recipe) Apply(img image.Image, orientation int, dst []float32) error { return errEarly }

// Load is Decode and Apply: the one way from bytes to tensor.
func (r Recipe) Load(data []byte, lim Limits, dst []float32) (Info, error) { return Info{}, errEarly }

// Split says which part of the data an image belongs to.
type Split uint8

// The three parts.
const (
	Train Split = iota
	Validation
	Test
)

// String answers "train", "validation" or "test".
func (s Split) String() string { return [...]string{"train", "validation", "test"}[s%3] }

// Item is one labelled picture.
type Item struct {
	Path  string // where to open it
	Rel   string // slash path below the root, "daisy/a.jpg"
	Label int    // index into Folder.Labels
	Split Split
}

// Problem is a file that was left out, and why.
type Problem struct{ Path, Reason string }

// Folder is a folder of label folders.
type Folder struct {
	Root     string
	Labels   []string
	Items    []Item    // sorted by Rel
	Problems []Problem // sorted by Path
	Ignored  int       // hidden, zero-byte and housekeeping files that were passed over
}

// ScanConfig bounds Scan. The zero value works.
type ScanConfig struct {
	MaxFiles int // 0 means 4,000,000
}

// Scan reads a folder of label folders.
func Scan(root string, cfg ScanConfig) (*Folder, error) { return nil, errEarly }

// SplitConfig says how a Folder is split.
type SplitConfig struct {
	Validation float64 `json:"validation"`     // fraction; 0 means 0.1, negative means none
	Test       float64 `json:"test"`           // fraction; 0 means 0.1, negative means none
	Salt       string  `json:"salt,omitempty"` // another salt, another split
	Legacy     bool    `json:"legacy,omitempty"`
}

// Validate names the first field that is wrong.
func (c SplitConfig) Validate() error { return errEarly }

// Split sets the Split of each item.
func (f *Folder) Split(cfg SplitConfig) error { return errEarly }

// SplitUnique is Split for when the digest of every item's bytes is known: equal pictures never cross a split.
func (f *Folder) SplitUnique(cfg SplitConfig, sums [][sha256.Size]byte) error { return errEarly }

// Counts returns the number of items of each label in each split: counts[label][split].
func (f *Folder) Counts() [][3]int { return nil }

// CacheKey says which bottlenecks belong together.
type CacheKey struct {
	Trunk    string // the trunk's weights digest, hexadecimal
	Recipe   Recipe
	Features int
}

// Cache keeps bottlenecks on disk by the SHA-256 of the picture's bytes. Safe for concurrent use, in one process and in several.
type Cache struct{}

// OpenCache opens or makes the cache file of key in dir.
func OpenCache(dir string, key CacheKey) (*Cache, error) { return nil, errEarly }

// Get returns the bottleneck of the picture with this digest, in a fresh slice.
func (c *Cache) Get(sha [sha256.Size]byte) ([]float32, bool) { return nil, false }

// Put stores a bottleneck; v is copied.
func (c *Cache) Put(sha [sha256.Size]byte, v []float32) error { return errEarly }

// Len returns the number of pictures in the cache.
func (c *Cache) Len() int { return 0 }

// Path returns the cache file's path.
func (c *Cache) Path() string { return "" }

// Close syncs and closes the file.
func (c *Cache) Close() error { return errEarly }

// WriteNPY writes a float32 array [rows,cols] in NumPy's format, whole or not at all.
func WriteNPY(path string, rows, cols int, row func(i int) []float32) error { return errEarly }

// NPYWriter writes a float32 array [n,cols] row by row.
type NPYWriter struct{}

// CreateNPY starts an array; nothing appears at path before Commit.
func CreateNPY(path string, cols int) (*NPYWriter, error) { return nil, errEarly }

// Append adds a row of cols values.
func (w *NPYWriter) Append(row []float32) error { return errEarly }

// Commit completes the file and puts it at its path.
func (w *NPYWriter) Commit() error { return errEarly }

// Close discards the file unless Commit was called.
func (w *NPYWriter) Close() error { return nil }
