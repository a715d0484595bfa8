package s3_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/bucket/s3"
	"github.com/c236555e/rehead/internal/buckettest"
)

// list asks for the bucket's objects with what the environment says.
func list(t *testing.T, bucket string) error {
	t.Helper()
	cfg, err := s3.Environment(os.Getenv)
	if err != nil {
		return err
	}
	c, err := s3.New(cfg)
	if err != nil {
		return err
	}
	b, err := c.Bucket(bucket)
	if err != nil {
		return err
	}
	for range 3 { // credentials are asked for once
		if _, err = b.List(t.Context(), "", ""); err != nil {
			return err
		}
	}
	return nil
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asks starts a server that answers with text, and checks each request.
func asks(t *testing.T, text string, check func(r *http.Request) string) (url string, n *atomic.Int64) {
	t.Helper()
	n = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		if wrong := check(r); wrong != "" {
			t.Error(wrong)
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL, n
}

// TestCredentials: whatever has the credentials, a server that checks signatures takes the requests.
func TestCredentials(t *testing.T) {
	at := buckettest.Server(t, "pictures")
	none := func() { // as Server sets it, but without credentials
		buckettest.Environment(t, at)
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	}
	keys := fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", buckettest.Key, buckettest.Secret)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	role := fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`,
		buckettest.Key, buckettest.Secret, until)

	none()
	if err := list(t, "pictures"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("without credentials: got %v, want that it is not permitted", err)
	}

	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, "credentials", "[default]\naws_access_key_id = other\n"+
		"aws_secret_access_key = other\n[mine]\n"+keys))
	if err := list(t, "pictures"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another's credentials: got %v, want that it is not permitted", err)
	}
	t.Setenv("AWS_PROFILE", "mine")
	if err := list(t, "pictures"); err != nil {
		t.Errorf("a profile: %v", err)
	}
	t.Setenv("AWS_PROFILE", "mien")
	if err := list(t, "pictures"); err == nil || !strings.Contains(err.Error(), `profile "mien" of AWS_PROFILE`) {
		t.Errorf("a profile that is not there: got %v", err)
	}

	none()
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	t.Setenv("AWS_PROFILE", "mine")
	t.Setenv("AWS_CONFIG_FILE", write(t, "config", "[default]\nregion = eu-central-1\n[profile mine]\nregion = us-east-1\n"+
		"endpoint_url = "+at+"\n"+keys))
	if err := list(t, "pictures"); err != nil {
		t.Errorf("a profile of the configuration: %v", err)
	}
	cfg, err := s3.Environment(os.Getenv)
	if err != nil || cfg.Region != "us-east-1" || cfg.Endpoint != at {
		t.Errorf("got %+v, %v, want the profile's region and endpoint", cfg, err)
	}
	t.Setenv("AWS_PROFILE", "")
	if cfg, err = s3.Environment(os.Getenv); err != nil || cfg.Region != "eu-central-1" || cfg.Endpoint != "" {
		t.Errorf("got %+v, %v, want the default profile's region", cfg, err)
	}
	t.Setenv("AWS_REGION", "ap-south-1")
	if cfg, err = s3.Environment(os.Getenv); err != nil || cfg.Region != "ap-south-1" {
		t.Errorf("got %+v, %v, want the variable's region", cfg, err)
	}

	none()
	token := "secret of the container"
	where, n := asks(t, role, func(r *http.Request) string {
		if got := r.Header.Get("Authorization"); got != token {
			return fmt.Sprintf("the container's token: got %q", got)
		}
		return ""
	})
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", where+"/role")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)
	if err := list(t, "pictures"); err != nil || n.Load() != 1 {
		t.Errorf("a container's role: %v, asked for %d times", err, n.Load())
	}

	none()
	where, n = asks(t, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`+
		`<AssumeRoleWithWebIdentityResult><Credentials>`+
		`<AccessKeyId>`+buckettest.Key+`</AccessKeyId><SecretAccessKey>`+buckettest.Secret+`</SecretAccessKey>`+
		`<Expiration>`+until+`</Expiration></Credentials></AssumeRoleWithWebIdentityResult>`+
		`</AssumeRoleWithWebIdentityResponse>`, func(r *http.Request) string {
		err := r.ParseForm()
		want := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
			"WebIdentityToken": {"token of the pod"}, "RoleArn": {"arn:aws:iam::1:role/reader"}, "RoleSessionName": {"job"}}
		for name, v := range want {
			if err != nil || r.Form.Get(name) != v[0] {
				return fmt.Sprintf("%s: got %q, %v, want %q", name, r.Form.Get(name), err, v[0])
			}
		}
		return ""
	})
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, "token", "token of the pod"))
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/reader")
	t.Setenv("AWS_ROLE_SESSION_NAME", "job")
	t.Setenv("AWS_ENDPOINT_URL_STS", where)
	if err := list(t, "pictures"); err != nil || n.Load() != 1 {
		t.Errorf("a web identity: %v, asked for %d times", err, n.Load())
	}
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(t.TempDir(), "none"))
	if err := list(t, "pictures"); err == nil || !strings.Contains(err.Error(), "web identity") {
		t.Errorf("a web identity that is not there: got %v", err)
	}

	none()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	const path = "/latest/meta-data/iam/security-credentials/"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			fmt.Fprint(w, token)
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != token:
			t.Errorf("%s without the machine's token", r.URL)
		case r.URL.Path == path:
			fmt.Fprint(w, "reader")
		case r.URL.Path == path+"reader":
			fmt.Fprint(w, role)
		default:
			t.Errorf("got %s %s", r.Method, r.URL)
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL)
	if err := list(t, "pictures"); err != nil {
		t.Errorf("a machine's role: %v", err)
	}
}

// TestTLS: a certificate is taken when AWS_CA_BUNDLE, or the configuration, names it.
func TestTLS(t *testing.T) {
	p := buckettest.NewTLSProxy(t, buckettest.Server(t, "pictures"))
	if err := list(t, "pictures"); err != nil || p.Listings.Load() != 3 {
		t.Errorf("got %v and %d requests", err, p.Listings.Load())
	}
	file := os.Getenv("AWS_CA_BUNDLE")
	t.Setenv("AWS_CA_BUNDLE", "")
	if err := list(t, "pictures"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: got %v", err)
	}
	t.Setenv("AWS_CONFIG_FILE", write(t, "config", "[default]\nca_bundle = "+file+"\n"))
	if err := list(t, "pictures"); err != nil {
		t.Errorf("a certificate of the configuration: %v", err)
	}
	t.Setenv("AWS_CA_BUNDLE", write(t, "ca.pem", "none"))
	if err := list(t, "pictures"); err == nil || !strings.Contains(err.Error(), "want a PEM file") {
		t.Errorf("a bundle that is none: got %v", err)
	}
}
