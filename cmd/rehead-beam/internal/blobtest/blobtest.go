// Package blobtest starts, for tests, servers that stand in for Google's and Microsoft's object stores:
// fake-gcs-server and Azurite. Both are emulators: what a test sees of them says nothing sure of the
// services themselves, and fakes are known to store other bytes than they were sent without a word, so
// tests compare every byte that comes back.
package blobtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob/azureblob"
)

// Versions of the emulators; .ci/fleet-beam installs them.
const (
	google = "fake-gcs-server-v1.56.1"
	azure  = "azurite-3.35.0"
)

// The account that Azurite has, which its makers publish.
const (
	account = "devstoreaccount1"
	secret  = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// program is an emulator in the user's cache folder, or where the environment says; the test is skipped
// where there is none.
func program(t *testing.T, variable, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server of its own: left out by -short")
	}
	path := os.Getenv(variable)
	if path == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("needs a program that %s names: %v", variable, err)
		}
		path = filepath.Join(dir, "rehead-ci", name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs what .ci/fleet-beam installs (%s names another place): %v", variable, err)
	}
	return path
}

// started starts a server, which ends with the test, and waits until it answers at url.
func started(t *testing.T, url string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	for try := 0; ; try++ {
		if r, err := http.Get(url); err == nil {
			_, err = io.Copy(io.Discard, r.Body)
			if cerr := r.Body.Close(); err != nil || cerr != nil {
				t.Fatal(err, cerr)
			}
			return
		}
		if try == 600 {
			t.Fatalf("%s did not answer within a minute", args[0])
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// port is one that is free.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, p, err := net.SplitHostPort(l.Addr().String())
	if cerr := l.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return p
}

// Google starts fake-gcs-server with an empty bucket of this name. The environment names it; the process
// of a test has one, for Google's client is opened once.
func Google(t *testing.T, name string) (host string) {
	t.Helper()
	run, p := program(t, "REHEAD_FAKE_GCS", filepath.Join(google, "fake-gcs-server")), port(t)
	host = "127.0.0.1:" + p
	started(t, "http://"+host+"/_internal/healthcheck", run, "-scheme", "http", "-host", "127.0.0.1", "-port", p,
		"-public-host", host, "-backend", "filesystem", "-filesystem-root", t.TempDir(), "-log-level", "error")
	t.Setenv("STORAGE_EMULATOR_HOST", host)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	c, err := storage.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bucket(name).Create(t.Context(), "test", nil); err != nil {
		t.Fatal(err)
	}
	return host
}

// Azure starts Azurite with an empty container of this name. The environment names it.
func Azure(t *testing.T, name string) *container.Client {
	t.Helper()
	run, p := program(t, "REHEAD_AZURITE", filepath.Join(azure, "node_modules", ".bin", "azurite-blob")), port(t)
	host := "127.0.0.1:" + p
	started(t, "http://"+host, run, "--silent", "--blobHost", "127.0.0.1", "--blobPort", p, "--location", t.TempDir(),
		"--disableTelemetry", "--skipApiVersionCheck")
	for variable, value := range map[string]string{"AZURE_STORAGE_ACCOUNT": account, "AZURE_STORAGE_KEY": secret,
		"AZURE_STORAGE_DOMAIN": host, "AZURE_STORAGE_PROTOCOL": "http", "AZURE_STORAGE_IS_LOCAL_EMULATOR": "true",
		"AZURE_STORAGE_SAS_TOKEN": "", "AZURE_STORAGE_CONNECTION_STRING": "", "AZURE_STORAGEBLOB_CONNECTIONSTRING": "",
		"AZURE_STORAGE_IS_CDN": ""} {
		t.Setenv(variable, value)
	}
	url, err := azureblob.NewServiceURL(azureblob.NewDefaultServiceURLOptions())
	if err != nil {
		t.Fatal(err)
	}
	c, err := azureblob.NewDefaultClient(url, azureblob.ContainerName(name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return c
}
