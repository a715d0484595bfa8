package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestToken(t *testing.T) {
	s := newServer(t, &fake{}, Config{Token: "s3cret"})
	body := colorPNG(t, 4, 3, red)
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret"} {
		w := do(s.Handler(), http.MethodPost, "/invocations", body, "Authorization", header)
		wantStatus(t, w, http.StatusUnauthorized, "Bearer")
		if w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: got no WWW-Authenticate", header)
		}
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body, "Authorization", "bearer s3cret"), http.StatusOK,
		"red")
	for _, target := range []string{"/metrics", "/v2", "/v2/models/model", "/execution-parameters", "/nothing"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusUnauthorized, "Bearer")
	}
	for _, target := range []string{"/ping", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusOK, "")
	}
}

// There are no routes for debugging.
func TestNoDebugRoutes(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	for _, target := range []string{"/debug/pprof/", "/debug/vars", "/debug/pprof/heap"} {
		wantStatus(t, do(s.Handler(), http.MethodGet, target, nil), http.StatusNotFound, "")
	}
}

// certificate makes a self-signed certificate for loopback.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	if _, err := New(nil, Config{TLS: &tls.Config{MinVersion: tls.VersionTLS12}}); err == nil ||
		!strings.Contains(err.Error(), "config: TLS: got no certificate") {
		t.Errorf("no certificate: got %v, want an error that names the field", err)
	}
	cfg := Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}} //nolint:gosec // the server raises the version
	url, _ := start(t, newServer(t, &fake{}, cfg))
	url = strings.Replace(url, "http://", "https://", 1)
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: version}} //nolint:gosec // old versions are what is tested
		response, err := (&http.Client{Transport: transport}).Get(url + "/ping")
		if err == nil {
			_ = response.Body.Close()
		}
		transport.CloseIdleConnections()
		if (err == nil) != want {
			t.Errorf("TLS %#x: got %v, want it to work: %v", version, err, want)
		}
	}
}
