package serve

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testHost is a server of pictures on loopback, with a FetchConfig that may ask it.
type testHost struct {
	url   string
	png   []byte
	fetch *FetchConfig
}

func pictureHost(t testing.TB) testHost {
	t.Helper()
	png := colorPNG(t, 9, 8, blue)
	mux := http.NewServeMux()
	mux.HandleFunc("/a.png", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(png) })
	mux.HandleFunc("/missing", http.NotFound)
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("u"), http.StatusFound)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop", http.StatusFound)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return testHost{url: server.URL, png: png, fetch: &FetchConfig{
		Hosts:         []string{"127.0.0.1"},
		Schemes:       []string{"http"},
		ports:         []uint16{uint16(port)},
		allowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		maxBytes:      1 << 16,
	}}
}

func get(t testing.TB, cfg FetchConfig, address string) ([]byte, error) {
	t.Helper()
	if err := cfg.validate(); err != nil {
		t.Fatal(err)
	}
	f := newFetcher(cfg)
	defer f.close()
	return f.get(t.Context(), address, nil)
}

func TestFetch(t *testing.T) {
	host := pictureHost(t)
	for _, address := range []string{host.url + "/a.png?X-Signature=s", host.url + "/to?u=/a.png"} {
		got, err := get(t, *host.fetch, address)
		if err != nil || len(got) != len(host.png) {
			t.Errorf("%s: got %d bytes and %v, want %d", address, len(got), err, len(host.png))
		}
	}
}

// Contract 44: no URL reaches an address that is not public.
func TestContract44Addresses(t *testing.T) {
	refuse := func(address string) *statusError {
		_, err := get(t, FetchConfig{Hosts: []string{"*"}, Schemes: []string{"http", "https"},
			timeout: 500 * time.Millisecond}, address)
		var status *statusError
		if !errors.As(err, &status) {
			t.Fatalf("%s: got %v, want a refusal", address, err)
		}
		return status
	}
	for _, address := range []string{
		"http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/", "https://[::]/",
		"http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://10.1.2.3/", "http://192.168.0.1/",
		"http://172.16.9.9/", "http://100.64.0.1/", "http://[fd00:ec2::254]/", "http://[fe80::1]/",
		"http://[64:ff9b::7f00:1]/",
		"http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://255.255.255.255/",
	} {
		if got := refuse(address); got.code != http.StatusBadRequest || !strings.Contains(got.msg, "address") {
			t.Errorf("%s: got %d %s, want a refusal of the address", address, got.code, got.msg)
		}
	}
	// Names, and numbers that some resolvers take for addresses.
	for _, address := range []string{"http://localhost/", "http://2130706433/", "http://0x7f.1/", "http://127.1/",
		"http://0177.0.0.1/"} {
		if got := refuse(address); got.code != http.StatusBadRequest && got.code != http.StatusFailedDependency {
			t.Errorf("%s: got %d %s, want a refusal", address, got.code, got.msg)
		}
	}
}

func TestFetchRefusals(t *testing.T) {
	host := pictureHost(t)
	noPorts := *host.fetch
	noPorts.ports = nil
	private := *host.fetch
	private.allowPrefixes = nil
	quick := *host.fetch
	quick.timeout = 50 * time.Millisecond
	none := *host.fetch
	none.maxRedirects = -1
	cases := []struct {
		name, address string
		cfg           FetchConfig
		code          int
		text          string
	}{
		{"scheme", "file:///etc/passwd", *host.fetch, 400, "scheme"},
		{"gopher", "gopher://127.0.0.1/", *host.fetch, 400, "scheme"},
		{"no scheme", "127.0.0.1/a.png", *host.fetch, 400, "scheme"},
		{"malformed", "http://%zz/", *host.fetch, 400, "malformed"},
		{"user", strings.Replace(host.url, "//", "//u:p@", 1), *host.fetch, 400, "user name"},
		{"host", strings.Replace(host.url, "127.0.0.1", "example.com", 1), *host.fetch, 400, "host"},
		{"port", host.url + "/a.png", noPorts, 400, "address"},
		{"private", host.url + "/a.png", private, 400, "address"},
		{"redirect to a file", host.url + "/to?u=file:///etc/passwd", *host.fetch, 400, "scheme"},
		{"redirect to a host", host.url + "/to?u=http://example.com/", *host.fetch, 400, "host"},
		{"redirects", host.url + "/loop", *host.fetch, 400, "redirected"},
		{"any redirect", host.url + "/to?u=/a.png", none, 400, "redirected"},
		{"missing", host.url + "/missing", *host.fetch, 424, "404"},
		{"large", host.url + "/large", *host.fetch, 413, "65536"},
		{"slow", host.url + "/slow", quick, 424, "within"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := get(t, c.cfg, c.address)
			var status *statusError
			if !errors.As(err, &status) || status.code != c.code || !strings.Contains(status.msg, c.text) {
				t.Errorf("got %v, want %d with %q", err, c.code, c.text)
			}
			if err != nil && strings.Contains(err.Error(), "://") {
				t.Errorf("the error repeats a URL: %v", err)
			}
		})
	}
}

// A redirect to an address that is not public is refused at its own connection.
func TestFetchRedirectAddress(t *testing.T) {
	host := pictureHost(t)
	cfg := *host.fetch
	cfg.Hosts = []string{"*"}
	_, err := get(t, cfg, fmt.Sprintf("%s/to?u=http://127.0.0.2:%d/", host.url, cfg.ports[0]))
	if err == nil || !strings.Contains(err.Error(), "address") {
		t.Errorf("got %v, want a refusal of the address", err)
	}
}

func TestFetchHosts(t *testing.T) {
	f := newFetcher(FetchConfig{Hosts: []string{"*.Example.com", "img.test"}})
	for host, want := range map[string]bool{
		"a.example.com": true, "A.B.EXAMPLE.COM.": true, "example.com": false, "aexample.com": false,
		"img.test": true, "a.img.test": false, "": false, ".example.com": false,
	} {
		if got := f.knows(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}

func TestFetchConfigNamesTheField(t *testing.T) {
	for text, cfg := range map[string]FetchConfig{
		"Hosts":    {},
		"a*b":      {Hosts: []string{"a*b"}},
		"http://a": {Hosts: []string{"http://a"}},
		"Schemes":  {Hosts: []string{"a"}, Schemes: []string{"ftp"}},
	} {
		if _, err := New(nil, Config{Fetch: &cfg}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want an error that names it", text, err)
		}
	}
}

// A URL in a JSON record is fetched like any other.
func TestFetchFromJSON(t *testing.T) {
	host := pictureHost(t)
	alone, _ := invoke(t, Config{}, host.png)
	answer, _ := invoke(t, Config{Fetch: host.fetch}, []byte(`{"url":"`+host.url+`/a.png"}`), "Content-Type", typeJSON)
	if answer != alone {
		t.Errorf("got %q, want %q", answer, alone)
	}
}
