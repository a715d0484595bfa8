package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"

	"github.com/c236555e/rehead/dataset/bucket"
)

// pageSize is how many objects a page of a listing has at most.
const pageSize = 1000

// store is a bucket by gocloud, but for what a service's own client is needed for.
type store struct {
	place  string
	b      *blob.Bucket
	list   blob.ListOptions
	listed func(o *blob.ListObject) (_ bucket.Object, ok bool)
	head   func(ctx context.Context, key string) (bucket.Object, error)
	get    func(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error)
	remove func(ctx context.Context, key string) error
	// says whether a key can be written under its own name; nil: each can
	writable func(key string) error
}

// Place implements bucket.Bucket.
func (s *store) Place() string { return s.place }

// List implements bucket.Bucket.
func (s *store) List(ctx context.Context, prefix, page string) (bucket.Page, error) {
	token, how := []byte(page), s.list
	if page == "" {
		token = blob.FirstPageToken
	}
	how.Prefix = prefix
	list, next, err := s.b.ListPage(ctx, token, pageSize, &how)
	if err != nil {
		return bucket.Page{}, failed(err)
	}
	out := bucket.Page{Objects: make([]bucket.Object, 0, len(list)), Next: string(next)}
	for _, o := range list {
		if o, ok := s.listed(o); ok {
			out.Objects = append(out.Objects, o)
		}
	}
	return out, nil
}

// Head implements bucket.Bucket.
func (s *store) Head(ctx context.Context, key string) (bucket.Object, error) {
	o, err := s.head(ctx, key)
	return o, failed(err)
}

// Get implements bucket.Bucket.
func (s *store) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error) {
	r, err := s.get(ctx, key, off, n, ifMatch)
	if err != nil {
		return nil, failed(err)
	}
	return r, nil
}

// Remove implements bucket.Remover.
func (s *store) Remove(ctx context.Context, key string) error {
	if err := failed(s.remove(ctx, key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Create implements bucket.Bucket.
func (s *store) Create(ctx context.Context, key string) (bucket.Upload, error) {
	if s.writable != nil {
		if err := s.writable(key); err != nil {
			return nil, fmt.Errorf("%s/%s: write: %w", s.place, key, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	w, err := s.b.NewWriter(ctx, key, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%s/%s: write: %w", s.place, key, failed(err))
	}
	return &upload{s: s, key: key, w: w, ctx: ctx, cancel: cancel}, nil
}

// upload is an object that is being written. What gocloud is given appears when its writer is closed,
// unless the context of that was cancelled before.
type upload struct {
	s      *store
	key    string
	w      *blob.Writer
	ctx    context.Context
	cancel context.CancelFunc
	done   bool
	bad    error // of an earlier Write
}

func (u *upload) about(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s/%s: write: %w", u.s.place, u.key, failed(err))
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	if u.done {
		return 0, u.about(errEnded)
	}
	n, err := u.w.Write(p)
	if err != nil {
		u.bad = err
	}
	return n, u.about(err)
}

var errEnded = errors.New("the upload has ended")

// Commit implements bucket.Upload.
func (u *upload) Commit() error {
	if u.done {
		return u.about(errEnded)
	}
	if u.bad != nil {
		return u.about(errors.Join(u.bad, u.Abort()))
	}
	if u.ctx.Err() != nil {
		return u.about(errors.Join(context.Cause(u.ctx), u.Abort()))
	}
	u.done = true
	defer u.cancel()
	return u.about(u.w.Close())
}

// Abort implements bucket.Upload.
func (u *upload) Abort() error {
	if u.done {
		return nil
	}
	u.done = true
	u.cancel()
	if u.w.Close() == nil {
		return u.about(errors.New("was to be given up and was written all the same"))
	}
	return nil
}

// failed is an error of a service, told by what it means.
func failed(err error) error {
	if err == nil {
		return nil
	}
	status, said := 0, ""
	var google *googleapi.Error
	var azure *azcore.ResponseError
	switch {
	case errors.As(err, &google):
		status, said = google.Code, google.Message
	case errors.As(err, &azure):
		status, said = azure.StatusCode, azure.ErrorCode
	}
	code := gcerrors.Code(err)
	switch {
	case status == http.StatusPreconditionFailed || code == gcerrors.FailedPrecondition:
		return bucket.ErrChanged
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fmt.Errorf("%w: the service says %d %s", fs.ErrPermission, status, said)
	case noBucket(err, said):
		return fmt.Errorf("there is no such bucket (%w)", fs.ErrNotExist)
	case status == http.StatusNotFound || code == gcerrors.NotFound:
		return fs.ErrNotExist
	case status != 0:
		return fmt.Errorf("the service says %d %s", status, said)
	}
	return err
}
