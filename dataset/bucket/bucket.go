package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Object is what is known of an object without fetching it.
type Object struct {
	Key      string
	ETag     string // without quotes; another whenever the object is written
	Size     int64  // bytes
	MD5      string // of its bytes, hexadecimal, where the service says it; "" else
	Modified time.Time
}

// Page is a part of a listing.
type Page struct {
	Objects []Object // in the order of their keys
	Next    string   // what the next page is asked for with; "" after the last
}

// Bucket is one of an object store. Errors of objects that are not there are fs.ErrNotExist, those
// of objects that are not what ifMatch says are ErrChanged, by errors.Is. Requests that the service
// asks to repeat are repeated.
type Bucket interface {
	// Place is where it is, such as "http://127.0.0.1:9000/flowers": another for each bucket.
	Place() string
	// List gives the objects whose keys begin with prefix, page by page; the first is asked for
	// with "".
	List(ctx context.Context, prefix, page string) (Page, error)
	// Head measures an object.
	Head(ctx context.Context, key string) (Object, error)
	// Get opens n bytes of an object from off on; n below 0 means to its end. Its reader may end
	// too early, without an error too.
	Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error)
	// Create begins an object, which appears at Commit. Uploads to this key that were begun before
	// and are not finished, as a process that was killed leaves them, are ended.
	Create(ctx context.Context, key string) (Upload, error)
}

// Upload is an object that is being written. Not safe for concurrent use.
type Upload interface {
	io.Writer
	// Commit makes the object appear, whole. Where it fails, Abort was done.
	Commit() error
	// Abort ends the upload and leaves nothing, even where the context of Create has ended. After
	// Commit it does nothing.
	Abort() error
}

// A Remover is a Bucket that removes objects; one that is not there is none to remove.
type Remover interface {
	Remove(ctx context.Context, key string) error
}

// ErrChanged is found by errors.Is where an object is not what it was when it was listed.
var ErrChanged = errors.New("the object was written anew since it was listed; run again")

// Open opens what b has of an object, made whole: see OpenRange.
func (o Object) Open(ctx context.Context, b Bucket) io.ReadCloser {
	return OpenRange(ctx, b, o, 0, o.Size)
}

// Write writes an object, which appears whole once write has returned nil, and else not at all.
func Write(ctx context.Context, b Bucket, key string, write func(w io.Writer) error) error {
	if b == nil || write == nil {
		return errors.New("dataset: bucket: write: got no bucket, or nothing that writes")
	}
	up, err := b.Create(ctx, key)
	if err != nil {
		return err
	}
	if err := write(up); err != nil {
		return errors.Join(err, up.Abort())
	}
	return up.Commit()
}

// name is what errors call an object.
func name(b Bucket, key string) string { return fmt.Sprintf("%s/%s", b.Place(), key) }
