package blobs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"google.golang.org/api/option"

	"github.com/c236555e/rehead/dataset/bucket"
)

// tries bounds how often a request is made of Google's service, which its client repeats for ever.
const tries = 8

// googleClient is the process's: it has the connections.
var googleClient = sync.OnceValues(func() (*storage.Client, error) {
	c, err := storage.NewClient(context.Background())
	if err != nil { // no credentials: buckets may be public
		c, err = storage.NewClient(context.Background(), option.WithoutAuthentication())
	}
	if err != nil {
		return nil, fmt.Errorf("google's object store: %w", err)
	}
	// shards may be written twice: their bytes are the same
	c.SetRetry(storage.WithMaxAttempts(tries), storage.WithPolicy(storage.RetryAlways))
	return c, nil
})

// Google opens a bucket of Google Cloud Storage, whether there is one or not.
func Google(ctx context.Context, name string) (bucket.Bucket, error) {
	client, err := googleClient()
	if err != nil {
		return nil, err
	}
	b, err := gcsblob.OpenBucket(ctx, nil, name, &gcsblob.Options{Client: client})
	if err != nil {
		return nil, err
	}
	return &store{
		place: "gs://" + name,
		b:     b,
		list: blob.ListOptions{BeforeList: func(as func(any) bool) error {
			var q *storage.Query
			if !as(&q) {
				return errNoClient
			}
			return q.SetAttrSelection([]string{"Name", "Size", "Generation", "Updated", "MD5"})
		}},
		listed: func(o *blob.ListObject) (bucket.Object, bool) {
			var a storage.ObjectAttrs
			ok := o.As(&a)
			return googleObject(&a), ok
		},
		head: func(ctx context.Context, key string) (bucket.Object, error) {
			a, err := client.Bucket(name).Object(key).Attrs(ctx)
			if err != nil {
				return bucket.Object{}, err
			}
			return googleObject(a), nil
		},
		get: func(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error) {
			return googleGet(ctx, b, key, off, n, ifMatch)
		},
		remove: b.Delete,
	}, nil
}

func googleObject(a *storage.ObjectAttrs) bucket.Object {
	return bucket.Object{Key: a.Name, ETag: strconv.FormatInt(a.Generation, 10), Size: a.Size, Modified: a.Updated,
		MD5: hex.EncodeToString(a.MD5)}
}

func googleGet(ctx context.Context, b *blob.Bucket, key string, off, n int64, ifMatch string) (io.ReadCloser, error) {
	generation := int64(0)
	if ifMatch != "" {
		var err error
		if generation, err = strconv.ParseInt(ifMatch, 10, 64); err != nil {
			return nil, fmt.Errorf("version: got %q, want a generation of Google's", ifMatch)
		}
	}
	r, err := b.NewRangeReader(ctx, key, off, n, &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var o **storage.ObjectHandle
		if !as(&o) {
			return errNoClient
		}
		*o = (*o).ReadCompressed(true) // the bytes that are stored
		if generation != 0 {
			*o = (*o).If(storage.Conditions{GenerationMatch: generation})
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	// An emulator may answer with another version than was asked for.
	var body *storage.Reader
	if r.As(&body) && generation != 0 && body.Attrs.Generation != 0 && body.Attrs.Generation != generation {
		return nil, errors.Join(bucket.ErrChanged, r.Close())
	}
	return r, nil
}

var errNoClient = errors.New("the client gives no access to its requests")

// noBucket tells whether an error is of a bucket that is not there.
func noBucket(err error, said string) bool {
	return errors.Is(err, storage.ErrBucketNotExist) || said == string(bloberror.ContainerNotFound)
}
