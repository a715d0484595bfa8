// Package buckettest has, for tests, a real server of S3's protocol and a proxy in front of it that
// does what networks do.
package buckettest

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Credentials of the servers.
const (
	Key, Secret = "rehead-test", "rehead-test-secret"
	region      = "us-east-1"
)

// version of versitygw; .ci/fleet builds it.
const version = "v1.8.0"

// program is the server's binary; the test is skipped where there is none.
func program(t testing.TB) string {
	t.Helper()
	path := os.Getenv("REHEAD_VERSITYGW")
	if path == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("needs versitygw, which REHEAD_VERSITYGW names: %v", err)
		}
		path = filepath.Join(dir, "rehead-ci", "versitygw-"+version, "versitygw")
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs versitygw %s, which .ci/fleet builds (REHEAD_VERSITYGW names another place): %v", version, err)
	}
	return path
}

// Server starts a server with an empty bucket of this name and returns its URL. It ends with the
// test. AWS's variables name it and its credentials.
func Server(t testing.TB, bucket string) (url string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server of its own: left out by -short")
	}
	run := program(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sidecar := filepath.Join(dir, "attributes") // file systems without extended ones
	for _, d := range []string{sidecar, filepath.Join(dir, "buckets")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, run, "--port", address, "--keep-alive", "--quiet", "--health", "/health", "posix",
		"--sidecar", sidecar, filepath.Join(dir, "buckets"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+Key, "ROOT_SECRET_KEY="+Secret)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	url = "http://" + address
	for try := 0; ; try++ {
		if r, err := http.Get(url + "/health"); err == nil {
			if err := r.Body.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if try == 200 {
			t.Fatal("versitygw did not answer within 20 seconds")
		}
		time.Sleep(100 * time.Millisecond)
	}
	Environment(t, url)
	if err := Client(t, url).MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: region}); err != nil {
		t.Fatal(err)
	}
	return url
}

// Environment has AWS's variables name a server, and nothing else of this machine's.
func Environment(t testing.TB, url string) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": Key, "AWS_SECRET_ACCESS_KEY": Secret,
		"AWS_SESSION_TOKEN": "", "AWS_REGION": region, "AWS_ENDPOINT_URL_S3": url, "AWS_ENDPOINT_URL": "",
		"AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true", "HTTP_PROXY": "", "http_proxy": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": ""} {
		t.Setenv(name, value)
	}
}

// Client is another client of a server than the one that is tested through.
func Client(t testing.TB, url string) *minio.Client {
	t.Helper()
	c, err := minio.New(url[len("http://"):], &minio.Options{Creds: credentials.NewStaticV4(Key, Secret, ""),
		Region: region, BucketLookup: minio.BucketLookupPath})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
