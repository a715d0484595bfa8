package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/c236555e/rehead/dataset/bucket"
)

// Config says where buckets are. The zero value is Amazon's service.
type Config struct {
	Endpoint string // URL of the service, such as http://127.0.0.1:9000; "" means Amazon's
	Region   string // of the buckets; "" asks the service
	CABundle string // PEM file of certificates to trust besides the system's; "" means none
	// of the shared credentials file, which must be there and work; "" means the default one, if there is one
	Profile string
	// a container's role or a web identity was given: where it does not work requests fail, and are not sent
	// unsigned
	Role bool
	// ask no machine for its role, which takes some seconds where there is none
	NoMetadata bool
	// URL of the service that web identities are shown to, or without Role of the machine's own that tells its
	// role; "" means Amazon's
	RoleEndpoint string
}

// roleTimeout bounds how long a service of roles is asked for credentials.
const roleTimeout = 5 * time.Second

// Client opens the buckets of one service. Safe for concurrent use.
type Client struct {
	calls
	url string
}

// calls are what is asked of a service. They are functions, not the client that they belong to: a program
// that reflects keeps every method of a type that it can reach so, and the client's take 1.4 MB.
type calls struct {
	list func(bucket, prefix, startAfter, token, delimiter string, most int) (minio.ListBucketV2Result, error)
	head func(ctx context.Context, bucket, key string, o minio.StatObjectOptions) (minio.ObjectInfo, error)
	get  func(ctx context.Context, bucket, key string, o minio.GetObjectOptions) (io.ReadCloser, minio.ObjectInfo,
		http.Header, error)
	put func(ctx context.Context, bucket, key string, data io.Reader, size int64, md5, sha256 string,
		o minio.PutObjectOptions) (minio.UploadInfo, error)
	begin   func(ctx context.Context, bucket, key string, o minio.PutObjectOptions) (id string, err error)
	putPart func(ctx context.Context, bucket, key, id string, part int, data io.Reader, size int64,
		o minio.PutObjectPartOptions) (minio.ObjectPart, error)
	complete func(ctx context.Context, bucket, key, id string, parts []minio.CompletePart,
		o minio.PutObjectOptions) (minio.UploadInfo, error)
	abort      func(ctx context.Context, bucket, key, id string) error
	remove     func(ctx context.Context, bucket, key string, o minio.RemoveObjectOptions) error
	unfinished func(ctx context.Context, bucket, prefix, keyMarker, idMarker, delimiter string,
		most int) (minio.ListMultipartUploadsResult, error)
}

// New returns a Client; nothing is asked of the service yet.
func New(cfg Config) (*Client, error) {
	host, secure, lookup := "s3.amazonaws.com", true, minio.BucketLookupAuto
	if cfg.Endpoint != "" {
		u, err := url.Parse(cfg.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("dataset: s3: endpoint: got %q, want such as https://storage.example.com or "+
				"http://127.0.0.1:9000", cfg.Endpoint)
		}
		host, secure = u.Host, u.Scheme == "https"
		if !strings.HasSuffix(u.Hostname(), ".amazonaws.com") {
			lookup = minio.BucketLookupPath
		}
	}
	transport, err := minio.DefaultTransport(true) // credentials may come by TLS where objects do not
	if err != nil {
		return nil, fmt.Errorf("dataset: s3: %w", err)
	}
	transport.MaxIdleConnsPerHost = 128
	if cfg.CABundle != "" {
		if err := trust(transport, cfg.CABundle); err != nil {
			return nil, err
		}
	}
	core, err := minio.NewCore(host, &minio.Options{Creds: newChain(cfg, transport), Secure: secure,
		Transport: transport, Region: cfg.Region, BucketLookup: lookup})
	if err != nil {
		return nil, fmt.Errorf("dataset: s3: %w", err)
	}
	c := calls{list: core.ListObjectsV2, head: core.StatObject, get: core.GetObject, put: core.PutObject,
		begin: core.NewMultipartUpload, putPart: core.PutObjectPart, complete: core.CompleteMultipartUpload,
		abort: core.AbortMultipartUpload, unfinished: core.ListMultipartUploads, remove: core.RemoveObject}
	return &Client{c, strings.TrimSuffix(core.EndpointURL().String(), "/")}, nil
}

// trust adds the certificates of a file.
func trust(t *http.Transport, file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("dataset: s3: certificates: %w", err)
	}
	pool := t.TLSClientConfig.RootCAs
	if pool == nil {
		if pool, err = x509.SystemCertPool(); err != nil {
			pool = x509.NewCertPool()
		}
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("dataset: s3: certificates: %s has none, want a PEM file", file)
	}
	t.TLSClientConfig.RootCAs = pool
	return nil
}

// Bucket opens a bucket, whether there is one or not; a name that none can have is an error.
func (c *Client) Bucket(name string) (bucket.Bucket, error) {
	if s3utils.CheckValidBucketName(name) != nil {
		return nil, fmt.Errorf("dataset: s3: the bucket is called %.100q, want 3 to 63 letters, digits, dots and dashes, of "+
			"which the first and the last is a letter or a digit", name)
	}
	return &store{c.calls, c.url, name}, nil
}

// store is a bucket.
type store struct {
	calls
	url, name string
}

// Place implements bucket.Bucket.
func (s *store) Place() string { return s.url + "/" + s.name }

// List implements bucket.Bucket.
func (s *store) List(ctx context.Context, prefix, page string) (bucket.Page, error) {
	if err := ctx.Err(); err != nil { // the client's listing takes none
		return bucket.Page{}, context.Cause(ctx)
	}
	got, err := s.list(s.name, prefix, "", page, "", 0)
	if err != nil {
		return bucket.Page{}, failed(err)
	}
	out := bucket.Page{Objects: make([]bucket.Object, 0, len(got.Contents))}
	for _, o := range got.Contents {
		out.Objects = append(out.Objects, object(o.Key, o))
	}
	if got.IsTruncated {
		if out.Next = got.NextContinuationToken; out.Next == "" {
			return bucket.Page{}, errors.New("the service says that there is more and not how to ask for it")
		}
	}
	return out, nil
}

func object(key string, o minio.ObjectInfo) bucket.Object {
	return bucket.Object{Key: key, ETag: strings.Trim(o.ETag, `"`), Size: o.Size, Modified: o.LastModified}
}

// Head implements bucket.Bucket.
func (s *store) Head(ctx context.Context, key string) (bucket.Object, error) {
	o, err := s.head(ctx, s.name, key, minio.StatObjectOptions{})
	if err != nil {
		return bucket.Object{}, failed(err)
	}
	return object(key, o), nil
}

// Get implements bucket.Bucket.
func (s *store) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error) {
	var o minio.GetObjectOptions
	var err error
	switch {
	case n == 0:
		return io.NopCloser(strings.NewReader("")), nil
	case n > 0:
		err = o.SetRange(off, off+n-1)
	case off > 0:
		err = o.SetRange(off, 0)
	}
	if err == nil && ifMatch != "" {
		err = o.SetMatchETag(ifMatch)
	}
	if err != nil {
		return nil, err
	}
	body, _, header, err := s.get(ctx, s.name, key, o)
	if err != nil {
		return nil, failed(err)
	}
	if got := header.Get("Content-Range"); off > 0 && !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", off)) {
		return nil, errors.Join(fmt.Errorf("the service was asked for what begins at byte %d and answers with another "+
			"part (Content-Range: %q)", off, got), body.Close())
	}
	return body, nil
}

// Remove implements bucket.Remover.
func (s *store) Remove(ctx context.Context, key string) error {
	if err := s.remove(ctx, s.name, key, minio.RemoveObjectOptions{}); err != nil {
		if err = failed(err); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// unknownUser is what versitygw says, with 404, of an access key that it does not know; others say 403.
const unknownUser = "XAdminUserNotFound"

// failed is an error of the service, told by what it means.
func failed(err error) error {
	r := minio.ToErrorResponse(err)
	switch {
	case r.Code == minio.NoSuchBucket:
		return fmt.Errorf("there is no such bucket (%w)", fs.ErrNotExist)
	case r.StatusCode == http.StatusPreconditionFailed:
		return bucket.ErrChanged
	case r.StatusCode == http.StatusNotFound && r.Code != unknownUser:
		return fs.ErrNotExist
	case slices.Contains([]int{http.StatusNotFound, http.StatusForbidden, http.StatusUnauthorized}, r.StatusCode):
		return fmt.Errorf("%w: the service says %s %s", fs.ErrPermission, r.Code, r.Message)
	case r.StatusCode != 0:
		return fmt.Errorf("the service says %d %s %s", r.StatusCode, r.Code, r.Message)
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return fmt.Errorf("the service is not reached, is its address right (AWS_ENDPOINT_URL)? %w", err)
	}
	return err
}
