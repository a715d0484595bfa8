package s3_test

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/bucket/s3"
	"github.com/c236555e/rehead/internal/buckettest"
)

// BenchmarkFetch gets objects of 8 KB, 16 at a time, and reports this process's own time for one.
func BenchmarkFetch(b *testing.B) {
	url := buckettest.Server(b, "pictures")
	var all []bucket.Object
	c := buckettest.Client(b, url)
	for i := range 200 {
		data := bytes.Repeat([]byte{byte(i)}, 8<<10)
		key := fmt.Sprintf("flowers/daisy/%06d.jpg", i)
		if _, err := c.PutObject(b.Context(), "pictures", key, bytes.NewReader(data), int64(len(data)),
			minio.PutObjectOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	cfg, err := s3.Environment(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	client, err := s3.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	from, err := client.Bucket("pictures")
	if err != nil {
		b.Fatal(err)
	}
	page, err := from.List(b.Context(), "flowers/", "")
	if err != nil {
		b.Fatal(err)
	}
	all = page.Objects
	b.ReportAllocs()
	b.SetParallelism(8)
	before := used(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := bucket.Fetch(b.Context(), from, all[i%len(all)]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(used(b)-before)/float64(b.N), "cpu-us/op")
}

// used is this process's processor time in microseconds.
func used(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Skip(err)
	}
	return u.Utime.Sec*1e6 + u.Utime.Usec + u.Stime.Sec*1e6 + u.Stime.Usec
}
