package blobs

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblobs "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"

	"github.com/c236555e/rehead/dataset/bucket"
)

// AzureAtOnce is how many objects are best fetched at a time: the client keeps no more connections.
const AzureAtOnce = 10

// Azure opens a container of Azure Blob Storage, whether there is one or not. Blobs are read by
// Microsoft's client: gocloud's gives those whose names have one of "#%?\ other names.
func Azure(ctx context.Context, name string) (bucket.Bucket, error) {
	where := azureblob.NewDefaultServiceURLOptions()
	if where.AccountName == "" {
		return nil, fmt.Errorf("azblob://%s: AZURE_STORAGE_ACCOUNT is not set, and no AZURE_STORAGE_CONNECTION_STRING",
			name)
	}
	url, err := azureblob.NewServiceURL(where)
	if err != nil {
		return nil, fmt.Errorf("azblob://%s: %w", name, err)
	}
	client, err := azureblob.NewDefaultClient(url, azureblob.ContainerName(name))
	if err != nil {
		return nil, fmt.Errorf("azblob://%s: %w", name, err)
	}
	b, err := azureblob.OpenBucket(ctx, client, nil)
	if err != nil {
		return nil, fmt.Errorf("azblob://%s: %w", name, err)
	}
	place, _, _ := strings.Cut(client.URL(), "?") // behind which there may be a token
	return &store{
		place: place,
		b:     b,
		listed: func(o *blob.ListObject) (bucket.Object, bool) {
			var item container.BlobItem
			if !o.As(&item) || item.Properties == nil {
				return bucket.Object{}, false
			}
			p := item.Properties
			if p.ResourceType != nil && *p.ResourceType == "directory" { // of accounts that have folders
				return bucket.Object{}, false
			}
			return azureObject(value(item.Name), p.ETag, p.ContentLength, p.LastModified, p.ContentMD5), true
		},
		head: func(ctx context.Context, key string) (bucket.Object, error) {
			p, err := client.NewBlobClient(key).GetProperties(ctx, nil)
			if err != nil {
				return bucket.Object{}, err
			}
			return azureObject(key, p.ETag, p.ContentLength, p.LastModified, p.ContentMD5), nil
		},
		get: func(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, error) {
			return azureGet(ctx, client, key, off, n, ifMatch)
		},
		remove: func(ctx context.Context, key string) error {
			_, err := client.NewBlobClient(key).Delete(ctx, nil)
			return err
		},
		writable: func(key string) error {
			if i := strings.IndexAny(key, "\"#%?\\"); i >= 0 {
				return fmt.Errorf("names with %q are not written to Azure: choose another --output", key[i])
			}
			return nil
		},
	}, nil
}

func azureObject(key string, etag *azcore.ETag, size *int64, modified *time.Time, sum []byte) bucket.Object {
	return bucket.Object{Key: key, ETag: strings.Trim(string(value(etag)), `"`), Size: value(size),
		Modified: value(modified), MD5: hex.EncodeToString(sum)}
}

func azureGet(ctx context.Context, client *container.Client, key string, off, n int64,
	ifMatch string) (io.ReadCloser, error) {
	how := &azblobs.DownloadStreamOptions{Range: azblobs.HTTPRange{Offset: off, Count: max(n, 0)}}
	if ifMatch != "" {
		tag := azcore.ETag(`"` + ifMatch + `"`)
		how.AccessConditions = &azblobs.AccessConditions{
			ModifiedAccessConditions: &azblobs.ModifiedAccessConditions{IfMatch: &tag}}
	}
	r, err := client.NewBlobClient(key).DownloadStream(ctx, how)
	if err != nil {
		return nil, err
	}
	return r.Body, nil
}

// value is what a pointer points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
