package registry

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestProxy: a pull goes through the proxy that the environment names. net/http reads the
// environment once, so the pulling process is another one: this test again.
func TestProxy(t *testing.T) {
	const host = "mirror.invalid"
	e, b := narrow(t)
	if dir := os.Getenv("REHEAD_TEST_STORE"); dir != "" {
		if _, err := (Store{dir}).pullEntry(context.Background(), e,
			PullConfig{From: "http://" + host, Retries: -1}); err != nil {
			t.Fatal(err)
		}
		return
	}
	asked := ""
	proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(exe, "-test.run=^TestProxy$")
	cmd.Env = append(os.Environ(), "REHEAD_TEST_STORE="+dir, "HTTP_PROXY="+proxy, "NO_PROXY=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.HasPrefix(asked, "http://"+host+"/") || !strings.HasSuffix(asked, e.File) {
		t.Errorf("the proxy was asked for %q", asked)
	}
	if _, err := (Store{dir}).Resolve("keras"); err != nil {
		t.Error(err)
	}
}

// TestRetrying: every pause is told of, with its reason.
func TestRetrying(t *testing.T) {
	e, b := narrow(t)
	var told []string
	_, err := Store{t.TempDir()}.pullEntry(context.Background(), e, PullConfig{
		From: serve(t, &host{b: b, etag: `"one"`, cut: []int{1000, 1000}}), Wait: now,
		Retrying: func(err error, _ time.Duration) { told = append(told, err.Error()) },
	})
	if err != nil || len(told) != 2 || !strings.Contains(told[1], "interrupted after 2000 bytes") {
		t.Errorf("got error %v, told of %q", err, told)
	}
}
