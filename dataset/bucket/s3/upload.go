package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // it is what the service checks bodies by
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/c236555e/rehead/dataset/bucket"
)

// Parts of uploads, in bytes: a service takes 10,000 at most, so later ones are larger.
const (
	partBytes  = 16 << 20
	manyParts  = 2000
	largeBytes = 64 << 20
)

// abortTime bounds what ends an upload.
const abortTime = 30 * time.Second

// Create implements bucket.Bucket.
func (s *store) Create(ctx context.Context, key string) (bucket.Upload, error) {
	if err := s.endUploads(ctx, key); err != nil {
		return nil, err
	}
	return &upload{ctx: ctx, s: s, key: key}, nil
}

// endUploads ends unfinished uploads to a key. Who may not list them has none to end.
func (s *store) endUploads(ctx context.Context, key string) error {
	keyMarker, idMarker := "", ""
	for {
		got, err := s.unfinished(ctx, s.name, key, keyMarker, idMarker, "", 1000)
		if err != nil {
			if err = failed(err); errors.Is(err, fs.ErrPermission) {
				return nil
			}
			return fmt.Errorf("%s/%s: unfinished uploads: %w", s.Place(), key, err)
		}
		for _, u := range got.Uploads {
			if u.Key != key {
				continue
			}
			if err := s.abort(ctx, s.name, key, u.UploadID); err != nil &&
				!errors.Is(failed(err), fs.ErrNotExist) {
				return fmt.Errorf("%s/%s: end an unfinished upload: %w", s.Place(), key, failed(err))
			}
		}
		if !got.IsTruncated || got.NextKeyMarker == keyMarker && got.NextUploadIDMarker == idMarker {
			return nil
		}
		keyMarker, idMarker = got.NextKeyMarker, got.NextUploadIDMarker
	}
}

// upload is an object that is being written: in one request where it is short, else in parts.
type upload struct {
	ctx   context.Context
	s     *store
	key   string
	buf   []byte
	id    string // of the upload in parts; "" before the first
	parts []minio.CompletePart
	done  bool
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (n int, err error) {
	if u.done {
		return 0, fmt.Errorf("%s/%s: written after its end", u.s.Place(), u.key)
	}
	for len(p) > 0 {
		size := partBytes
		if len(u.parts) >= manyParts {
			size = largeBytes
		}
		k := min(len(p), size-len(u.buf))
		u.buf, p, n = append(u.buf, p[:k]...), p[k:], n+k
		if len(u.buf) == size {
			if err := u.part(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// part sends what is held as the next part.
func (u *upload) part() (err error) {
	if u.id == "" {
		if u.id, err = u.s.begin(u.ctx, u.s.name, u.key, minio.PutObjectOptions{}); err != nil {
			return u.failed(err)
		}
	}
	md5Text, shaText := sums(u.buf)
	got, err := u.s.putPart(u.ctx, u.s.name, u.key, u.id, len(u.parts)+1, bytes.NewReader(u.buf),
		int64(len(u.buf)), minio.PutObjectPartOptions{Md5Base64: md5Text, Sha256Hex: shaText})
	if err != nil {
		return u.failed(err)
	}
	u.parts = append(u.parts, minio.CompletePart{PartNumber: got.PartNumber, ETag: got.ETag})
	u.buf = u.buf[:0]
	return nil
}

// sums are what the service checks a body by.
func sums(data []byte) (md5Text, shaText string) {
	m, s := md5.Sum(data), sha256.Sum256(data) //nolint:gosec // see above
	return base64.StdEncoding.EncodeToString(m[:]), hex.EncodeToString(s[:])
}

func (u *upload) failed(err error) error {
	return fmt.Errorf("%s/%s: write: %w", u.s.Place(), u.key, failed(err))
}

// Commit implements bucket.Upload.
func (u *upload) Commit() (err error) {
	if u.done {
		return fmt.Errorf("%s/%s: committed after its end", u.s.Place(), u.key)
	}
	defer func() { err = errors.Join(err, u.Abort()) }()
	if u.id == "" {
		md5Text, shaText := sums(u.buf)
		_, err := u.s.put(u.ctx, u.s.name, u.key, bytes.NewReader(u.buf), int64(len(u.buf)), md5Text, shaText,
			minio.PutObjectOptions{})
		if err != nil {
			return u.failed(err)
		}
		u.done = true
		return nil
	}
	if len(u.buf) > 0 {
		if err := u.part(); err != nil {
			return err
		}
	}
	if _, err := u.s.complete(u.ctx, u.s.name, u.key, u.id, u.parts,
		minio.PutObjectOptions{}); err != nil {
		return u.failed(err)
	}
	u.done = true
	return nil
}

// Abort implements bucket.Upload.
func (u *upload) Abort() error {
	if u.done {
		return nil
	}
	u.done, u.buf = true, nil
	if u.id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTime)
	defer cancel()
	if err := u.s.abort(ctx, u.s.name, u.key, u.id); err != nil &&
		!errors.Is(failed(err), fs.ErrNotExist) {
		return fmt.Errorf("%s/%s: end the upload: %w", u.s.Place(), u.key, failed(err))
	}
	return nil
}
