package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/serve"
)

// asProgram in the environment makes the test binary the program itself.
const asProgram = "REHEAD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// madeUp writes a model of made-up weights, for pictures of 96 pixels.
func madeUp(t *testing.T, path string) {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 96, Seed: 7, Classes: 3})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(path, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
}

// drawn is a picture.
func drawn(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 50, 40))
	for i := range img.Pix {
		img.Pix[i] = uint8(i*i>>6) | 0x80
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree is every file below dir with its size and time.
func tree(dir string) string { return serve.Fingerprint(dir) }

// Contract 30: the model lies in a folder that cannot be written to, and serving leaves it as it
// was.
func TestContract30ReadOnlyModel(t *testing.T) {
	base := t.TempDir()
	l := layout.Tree(base)
	madeUp(t, l.Model())
	before := tree(l.Model())
	for _, dir := range []string{l.Model(), base} {
		if err := os.Chmod(dir, 0o555); err != nil { //nolint:gosec // read-only is what is tested
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o755) }) //nolint:gosec // so that it can be removed
	}
	addr, stop := serveWith(t, map[string]string{"SAGEMAKER_BASE_DIR": base, "SAGEMAKER_BIND_TO_PORT": "0"}, "serve")
	var answer struct{ Predictions []any }
	if status := post(t, local(addr)+"/invocations", "application/x-image", drawn(t), &answer); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if o := stop(); o.code != exitDone {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
	if after := tree(l.Model()); after != before || before == "" {
		t.Errorf("the model's folder was %q and is %q", before, after)
	}
}

// local makes an address that one can ask of one that a server listens on.
func local(addr string) string { return "http://127.0.0.1" + addr[strings.LastIndexByte(addr, ':'):] }

// Contract 31: all interfaces, port 8080, HTTP/1.1.
func TestContract31Address(t *testing.T) {
	if got := newServe(&app{getenv: func(string) string { return "" }}).Flags().Lookup("addr").DefValue; got != ":8080" {
		t.Errorf("by default the address is %q, want :8080 on every interface", got)
	}
	base := t.TempDir()
	madeUp(t, layout.Tree(base).Model())
	addr, _ := serveWith(t, map[string]string{"SAGEMAKER_BASE_DIR": base, "SAGEMAKER_BIND_TO_PORT": "0"}, "serve")
	if host, _, err := net.SplitHostPort(addr); err != nil || !net.ParseIP(host).IsUnspecified() {
		t.Errorf("the server listens on %q, want every interface", addr)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(local(addr), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// Contract 32: the port comes from SAGEMAKER_BIND_TO_PORT, and there is no other: the metrics are
// on it too.
func TestContract32BindToPort(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(probe.Addr().String())
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	madeUp(t, layout.Tree(base).Model())
	env := map[string]string{"SAGEMAKER_BASE_DIR": base, "SAGEMAKER_BIND_TO_PORT": port,
		"SAGEMAKER_SAFE_PORT_RANGE": port + "-" + port}
	addr, _ := serveWith(t, env, "serve")
	if !strings.HasSuffix(addr, ":"+port) {
		t.Errorf("the server listens on %q, want port %s", addr, port)
	}
	for _, route := range []string{"/ping", "/metrics"} {
		response, err := http.Get(local(addr) + route) //nolint:noctx // bounded by the test
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d, want 200", route, response.StatusCode)
		}
	}
}

// containerOptions is what `serve` makes of an environment.
func containerOptions(t *testing.T, env map[string]string) (serveOptions, error) {
	t.Helper()
	base := t.TempDir()
	madeUp(t, layout.Tree(base).Model())
	a := &app{stderr: io.Discard, getenv: func(name string) string {
		if name == "SAGEMAKER_BASE_DIR" {
			return base
		}
		return env[name]
	}}
	var o serveOptions
	_, err := a.containerServe(newServe(a).Flags(), &o)
	return o, err
}

// Contract 40: the knobs of other containers' workers.
func TestContract40Knobs(t *testing.T) {
	for _, c := range []struct {
		env   map[string]string
		check func(o serveOptions) bool
	}{
		{map[string]string{"MODEL_SERVER_TIMEOUT": "70"}, func(o serveOptions) bool {
			return o.cfg.RequestTimeout == 70*time.Second
		}},
		{map[string]string{"SAGEMAKER_MODEL_SERVER_TIMEOUT": "71"}, func(o serveOptions) bool {
			return o.cfg.RequestTimeout == 71*time.Second
		}},
		{map[string]string{"SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "72"}, func(o serveOptions) bool {
			return o.cfg.RequestTimeout == 72*time.Second
		}},
		{map[string]string{"SAGEMAKER_CONTAINER_LOG_LEVEL": "30"}, func(o serveOptions) bool { return o.logLevel == "warn" }},
		{map[string]string{"SAGEMAKER_CONTAINER_LOG_LEVEL": "WARNING"}, func(o serveOptions) bool {
			return o.logLevel == "warn"
		}},
		{map[string]string{"MODEL_SERVER_WORKERS": "4", "SAGEMAKER_MODEL_SERVER_WORKERS": "4",
			"SAGEMAKER_STARTUP_TIMEOUT": "300"}, func(o serveOptions) bool {
			return o.cfg.MaxBatch == 0
		}},
	} {
		if o, err := containerOptions(t, c.env); err != nil || !c.check(o) {
			t.Errorf("%v: got %+v, %v", c.env, o, err)
		}
	}
	if _, err := containerOptions(t, map[string]string{"MODEL_SERVER_WORKERS": "many"}); err == nil ||
		!strings.Contains(err.Error(), "MODEL_SERVER_WORKERS") {
		t.Errorf("got %v, want an error that names the variable", err)
	}
}

// Contract 42: asynchronous requests may take long and bring up to 1 GB.
func TestContract42Asynchronous(t *testing.T) {
	o, err := containerOptions(t,
		map[string]string{"SAGEMAKER_MAX_PAYLOAD_IN_MB": "1024", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600"})
	if err != nil {
		t.Fatal(err)
	}
	o.bound(false)
	if o.cfg.MaxBodyBytes != 1<<30 || o.limits.maxBytes != 1<<30 || o.cfg.MaxHeldBytes < 1<<30 ||
		o.cfg.RequestTimeout != time.Hour {
		t.Errorf("got %+v", o)
	}
	if err := o.cfg.Validate(); err != nil {
		t.Error(err)
	}
}

// Contract 52: the environment of a batch transform job, and of its rehearsal on one's own machine.
func TestContract52BatchEnvironment(t *testing.T) {
	for _, c := range []struct {
		env      map[string]string
		batch    bool
		strategy string
		payload  int64
		parallel int
	}{
		{map[string]string{}, false, "", 0, 0},
		{map[string]string{"SAGEMAKER_BATCH": "true"}, true, "", 0, 0},
		{map[string]string{"SAGEMAKER_BATCH": "True"}, true, "MultiRecord", 0, 0},
		{map[string]string{"SAGEMAKER_BATCH": "true", "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
			"SAGEMAKER_MAX_PAYLOAD_IN_MB":         "20",
			"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3"}, true, "SINGLE_RECORD", 20 << 20, 3},
		{map[string]string{"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}, true, "", 0, 0},
	} {
		o, err := containerOptions(t, c.env)
		if err != nil || o.cfg.Batch != c.batch || o.cfg.BatchStrategy != c.strategy || o.cfg.MaxBodyBytes != c.payload ||
			o.cfg.MaxConcurrentTransforms != c.parallel {
			t.Errorf("%v: got %+v, %v", c.env, o.cfg, err)
		}
	}
}

// TestTerminationUnderLoad: SIGTERM ends the program itself, under load from 16 clients, without
// losing a request that it has accepted.
func TestTerminationUnderLoad(t *testing.T) {
	if runtime.GOOS == "windows" || testing.Short() {
		t.Skip("needs SIGTERM, and takes seconds: run without -short")
	}
	model := filepath.Join(t.TempDir(), "model")
	madeUp(t, model)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := &watched{found: make(chan string, 1)}
	program := exec.CommandContext(t.Context(), self, "serve", model, "--addr", "127.0.0.1:0", "--drain-delay", "3s")
	program.Env, program.Stderr = append(os.Environ(), asProgram+"=1"), log
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	var url string
	select {
	case addr := <-log.found:
		url = local(addr) + "/invocations"
	case err := <-ended:
		t.Fatalf("the program ended: %v: %s", err, log)
	case <-time.After(time.Minute):
		t.Fatalf("the program does not get ready: %s", log)
	}
	var clients, connected sync.WaitGroup
	body := drawn(t)
	for range 16 {
		connected.Add(1)
		clients.Go(func() { untilAskedToLeave(t, url, body, sync.OnceFunc(connected.Done)) })
	}
	connected.Wait()
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	if err := <-ended; err != nil {
		t.Errorf("the program ended with %v: %s", err, log)
	}
}

// untilAskedToLeave sends picture after picture on one connection until an answer closes it, and
// calls answered after each. Every one must be answered.
func untilAskedToLeave(t *testing.T, url string, body []byte, answered func()) {
	defer answered()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		response, err := client.Do(r)
		if err != nil {
			t.Errorf("a request was lost: %v", err)
			return
		}
		var answer struct{ Predictions []json.RawMessage }
		err = json.NewDecoder(response.Body).Decode(&answer)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || len(answer.Predictions) != 3 {
			t.Errorf("got %d, %d predictions and %v, want a whole answer", response.StatusCode, len(answer.Predictions), err)
			return
		}
		answered()
		if response.Close {
			return
		}
	}
}
