package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shelf is a folder of models on disk with what opens them.
type shelf struct {
	root string
	mu   sync.Mutex
	open []*fake // in the order of their opening
	next func() *fake
}

func newShelf(t testing.TB, names ...string) *shelf {
	t.Helper()
	s := &shelf{root: t.TempDir(), next: func() *fake { return &fake{} }}
	for _, name := range names {
		dir := s.path(name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "model.json"), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "trunk.safetensors"), make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *shelf) path(name string) string { return filepath.Join(s.root, name, "model") }

func (s *shelf) load(_ context.Context, path string) (Classifier, error) {
	if _, err := os.Stat(filepath.Join(path, "model.json")); err != nil {
		return nil, err
	}
	f := s.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, f)
	return f, nil
}

// load asks a server for one of the shelf's models.
func loadModel(s *Server, name, path string) *httptest.ResponseRecorder {
	body, err := json.Marshal(map[string]string{"model_name": name, "url": path})
	if err != nil {
		panic(err)
	}
	return do(s.Handler(), http.MethodPost, "/models", body, "Content-Type", typeJSON)
}

func multi(shelf *shelf) Config {
	return Config{MultiModel: true, Open: shelf.load, ModelRoot: shelf.root}
}

// TestModelAddresses: whoever may load models cannot have the server fetch with its credentials.
func TestModelAddresses(t *testing.T) {
	shelf := newShelf(t)
	for _, root := range []string{"", shelf.root} {
		cfg := multi(shelf)
		cfg.ModelRoot = root
		wantStatus(t, loadModel(newServer(t, nil, cfg), "a", "s3://bucket/model"), http.StatusBadRequest, "is an address")
	}
	if len(shelf.open) > 0 {
		t.Error("an address was opened")
	}
}

// Contract 54: ready with no model loaded.
func TestContract54ReadyWithoutModels(t *testing.T) {
	s := newServer(t, nil, multi(newShelf(t)))
	wantStatus(t, do(s.Handler(), http.MethodGet, "/ping", nil), http.StatusOK, "")
	wantStatus(t, do(newServer(t, nil, Config{}).Handler(), http.MethodGet, "/models", nil), http.StatusNotFound, "route")
}

// A server of many models sends who asks the wrong route to the right one, in the one form of its
// errors, and its log says which model answered.
func TestRegression_ManyModelsSayWhere(t *testing.T) {
	shelf := newShelf(t, "a")
	cfg := multi(shelf)
	var log journal
	cfg.Logger = log.logger()
	s := newServer(t, nil, cfg)
	body := colorPNG(t, 4, 3, red)
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", body), http.StatusNotFound, "/models/NAME/invoke")
	wantStatus(t, do(s.Handler(), http.MethodPut, "/models", nil), http.StatusMethodNotAllowed,
		"MethodNotAllowedException")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/models/a/b/c", nil), http.StatusNotFound, `"code":404`)
	wantStatus(t, do(s.Handler(), http.MethodPost, "/modelsandmore", nil), http.StatusNotFound, `"error"`)
	wantStatus(t, loadModel(s, "a", shelf.path("a")), http.StatusOK, "")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/models/a/invoke", body, headerRequestID, "id-19"), http.StatusOK,
		"red")
	wantStatus(t, do(s.Handler(), http.MethodPost, "/models/stranger/invoke", body, headerRequestID, "id-20"),
		http.StatusNotFound, "")
	lines := splitLines(log.String())
	if answered := lines[len(lines)-2]; !strings.Contains(answered, "id-19") || !strings.Contains(answered, `"model":"a"`) {
		t.Errorf("got %s, want the model's name", answered)
	}
	if strings.Contains(lines[len(lines)-1], "stranger") {
		t.Errorf("got %s, with a name that no model has", lines[len(lines)-1])
	}
}

// Contract 55: loading, and each way in which it can fail.
func TestContract55Load(t *testing.T) {
	shelf := newShelf(t, "a", "b")
	cfg := multi(shelf)
	cfg.MemoryBudget = 3000 // a model of 1002 bytes on disk is taken for twice that
	s := newServer(t, nil, cfg)
	wantStatus(t, loadModel(s, "a", shelf.path("a")), http.StatusOK, "")
	wantStatus(t, loadModel(s, "a", shelf.path("a")), http.StatusConflict, "ConflictStatusException")
	wantStatus(t, loadModel(s, "b", shelf.path("b")), http.StatusOK, "")
	if got := s.memory; got != 2*2*4*12 {
		t.Errorf("the budget holds %d bytes, want what the two heads take", got)
	}
	s.memory += 2000
	wantStatus(t, loadModel(s, "c", shelf.path("a")), http.StatusInsufficientStorage, "memory budget")
	s.memory -= 2000
	for _, c := range []struct {
		name, path string
		code       int
	}{
		{"d", shelf.path("missing"), http.StatusNotFound},
		{"d", os.TempDir(), http.StatusBadRequest},
		{"d", filepath.Join(shelf.root, ".."), http.StatusBadRequest},
		{"d", filepath.Join(shelf.root, "a"), http.StatusBadRequest}, // no model.json there
		{"d", "", http.StatusBadRequest},
		{"", shelf.path("a"), http.StatusBadRequest},
		{"a/b", shelf.path("a"), http.StatusBadRequest},
		{".", shelf.path("a"), http.StatusBadRequest},
		{"..", shelf.path("a"), http.StatusBadRequest},
		{strings.Repeat("a", 256), shelf.path("a"), http.StatusBadRequest},
	} {
		wantStatus(t, loadModel(s, c.name, c.path), c.code, `"message"`)
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/models", []byte("{")), http.StatusBadRequest, "model_name")
	if s.countModels() != 2 || s.memory != 2*2*4*12 {
		t.Errorf("after the failures: %d models and %d bytes, want those of before", s.countModels(), s.memory)
	}
}

// A model that turns out larger than it looked is put back.
func TestLoadedModelOverBudget(t *testing.T) {
	shelf := newShelf(t, "a")
	if err := os.Truncate(filepath.Join(shelf.path("a"), "trunk.safetensors"), 0); err != nil {
		t.Fatal(err)
	}
	cfg := multi(shelf)
	cfg.MemoryBudget = 50
	s := newServer(t, nil, cfg)
	wantStatus(t, loadModel(s, "a", shelf.path("a")), http.StatusInsufficientStorage, "memory budget")
	if n := shelf.open[0].closes.Load(); n != 1 || s.memory != 0 || s.countModels() != 0 {
		t.Errorf("closed %d times, %d bytes, %d models; want 1, 0, 0", n, s.memory, s.countModels())
	}
}

func TestUnfitModelIsNotLoaded(t *testing.T) {
	shelf := newShelf(t, "a")
	shelf.next = func() *fake { return &fake{unfit: errors.New("the numbers differ")} }
	s := newServer(t, nil, multi(shelf))
	wantStatus(t, loadModel(s, "a", shelf.path("a")), http.StatusBadRequest, "the numbers differ")
	if n := shelf.open[0].closes.Load(); n != 1 || s.memory != 0 {
		t.Errorf("closed %d times with %d bytes kept, want 1 and 0", n, s.memory)
	}
	if err := newServer(t, nil, Config{}).Install(t.Context(),
		&fake{unfit: errors.New("the numbers differ")}); err == nil {
		t.Error("Install took a model that fails its self-test")
	}
	if _, err := New(&fake{unfit: errors.New("x")}, Config{}); err == nil {
		t.Error("New took a model that fails its self-test")
	}
}

// Contract 56: the list, in pages, and one model.
func TestContract56List(t *testing.T) {
	shelf := newShelf(t, "a", "b", "c")
	s := newServer(t, nil, multi(shelf))
	wantBody := func(target, want string) {
		t.Helper()
		w := do(s.Handler(), http.MethodGet, target, nil)
		wantStatus(t, w, http.StatusOK, "")
		if w.Body.String() != want {
			t.Errorf("%s: got %s, want %s", target, w.Body, want)
		}
	}
	wantBody("/models", `{"models":[]}`)
	for _, name := range []string{"b", "c", "a"} {
		wantStatus(t, loadModel(s, name, shelf.path(name)), http.StatusOK, "")
	}
	entry := func(name string) string {
		return fmt.Sprintf(`{"modelName":%q,"modelUrl":%q}`, name, shelf.path(name))
	}
	wantBody("/models", `{"models":[`+entry("a")+`,`+entry("b")+`,`+entry("c")+`]}`)
	wantBody("/models?limit=2", `{"nextPageToken":"2","models":[`+entry("a")+`,`+entry("b")+`]}`)
	wantBody("/models?limit=2&next_page_token=2", `{"models":[`+entry("c")+`]}`)
	wantBody("/models?next_page_token=9", `{"models":[]}`)
	wantBody("/models/b", entry("b"))
	wantStatus(t, do(s.Handler(), http.MethodGet, "/models/d", nil), http.StatusNotFound, "ModelNotFoundException")
	wantStatus(t, do(s.Handler(), http.MethodGet, "/models?limit=-1", nil), http.StatusBadRequest, "limit")
}

// Contract 57: unloading answers after the memory is released.
func TestContract57Unload(t *testing.T) {
	shelf := newShelf(t, "a")
	shelf.next = func() *fake { return &fake{block: make(chan struct{}), started: make(chan int, 1)} }
	s := newServer(t, nil, multi(shelf))
	wantStatus(t, do(s.Handler(), http.MethodDelete, "/models/a", nil), http.StatusNotFound, "ModelNotFoundException")
	wantStatus(t, loadModel(s, "a", shelf.path("a")), http.StatusOK, "")
	f := shelf.open[0]
	var done atomic.Bool
	var clients sync.WaitGroup
	clients.Go(func() {
		w := do(s.Handler(), http.MethodPost, "/models/a/invoke", colorPNG(t, 3, 2, red), "Content-Type", "image/png")
		if w.Code != http.StatusOK {
			t.Errorf("the request under way: got %d, want 200", w.Code)
		}
	})
	<-f.started
	clients.Go(func() {
		w := do(s.Handler(), http.MethodDelete, "/models/a", nil)
		done.Store(true)
		if w.Code != http.StatusOK || f.closes.Load() != 1 {
			t.Errorf("DELETE: got %d with the model closed %d times, want 200 and 1", w.Code, f.closes.Load())
		}
	})
	eventually(t, "the model to leave the list", func() bool { return s.countModels() == 0 })
	if done.Load() || f.closes.Load() != 0 {
		t.Error("DELETE ended, or closed the model, while a request used it")
	}
	close(f.block)
	clients.Wait()
	if s.memory != 0 {
		t.Errorf("%d bytes are still held, want 0", s.memory)
	}
}

// Contract 58: a model's own invocations.
func TestContract58Invoke(t *testing.T) {
	shelf := newShelf(t, "a")
	s := newServer(t, nil, multi(shelf))
	body := colorPNG(t, 3, 2, red)
	alone, _ := invoke(t, Config{}, body)
	wantStatus(t, do(s.Handler(), http.MethodPost, "/models/a/invoke", body), http.StatusNotFound,
		"ModelNotFoundException")
	wantStatus(t, loadModel(s, "a", shelf.path("a")), http.StatusOK, "")
	w := do(s.Handler(), http.MethodPost, "/models/a/invoke", body, "X-Amzn-SageMaker-Target-Model", "a.tar.gz")
	wantStatus(t, w, http.StatusOK, "")
	if w.Body.String() != alone {
		t.Errorf("got %q, want %q", w.Body, alone)
	}
}

// Contract 59: errors under /models are in the multi-model server's form.
func TestContract59ErrorForm(t *testing.T) {
	s := newServer(t, nil, multi(newShelf(t)))
	w := do(s.Handler(), http.MethodGet, "/models/a", nil)
	var got managementError
	decode(t, w.Body.String(), &got)
	if got.Code != http.StatusNotFound || got.Type != "ModelNotFoundException" || got.Message == "" {
		t.Errorf("got %+v", got)
	}
}

// A model that changes on disk is served without one failed request.
func TestHotReload(t *testing.T) {
	shelf := newShelf(t, "a")
	since := Fingerprint(shelf.path("a"))
	first, err := shelf.load(t.Context(), shelf.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, first, Config{Open: shelf.load})
	ctx, stop := context.WithCancel(t.Context())
	var watcher, clients sync.WaitGroup
	watcher.Go(func() {
		if err := s.Watch(ctx, shelf.path("a"), since, 2*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	body := colorPNG(t, 3, 2, red)
	var enough atomic.Bool
	for range 4 {
		clients.Go(func() {
			for !enough.Load() {
				if w := do(s.Handler(), http.MethodPost, "/invocations", body, "Content-Type",
					"image/png"); w.Code != http.StatusOK {
					t.Errorf("got %d %s, want 200", w.Code, w.Body)
					return
				}
			}
		})
	}
	opened := func() int { shelf.mu.Lock(); defer shelf.mu.Unlock(); return len(shelf.open) }
	model := filepath.Join(shelf.path("a"), "model.json")
	for i := range 5 {
		if err := errors.Join(os.WriteFile(model+".new", []byte(strings.Repeat(" ", i+3)), 0o600),
			os.Rename(model+".new", model)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a reload", func() bool { return opened() >= i+2 })
	}
	if err := os.Remove(model); err != nil { // between two renames the model is missing: nothing happens
		t.Fatal(err)
	}
	enough.Store(true)
	clients.Wait()
	stop()
	watcher.Wait()
	eventually(t, "the old models to be closed", func() bool {
		for _, f := range shelf.open[:opened()-1] {
			if f.closes.Load() != 1 {
				return false
			}
		}
		return true
	})
	if n := shelf.open[opened()-1].closes.Load(); n != 0 {
		t.Errorf("the model that serves was closed %d times, want 0", n)
	}
}

// A change that cannot be served leaves the model before it.
func TestBadReloadKeepsTheModel(t *testing.T) {
	shelf := newShelf(t, "a")
	s := newServer(t, &fake{}, Config{Open: shelf.load})
	shelf.next = func() *fake { return &fake{unfit: errors.New("the numbers differ")} }
	if err := s.reload(t.Context(), shelf.path("a")); err == nil || !strings.Contains(err.Error(), "the numbers differ") {
		t.Errorf("got %v, want the self-test's error", err)
	}
	if n := shelf.open[0].closes.Load(); n != 1 {
		t.Errorf("the refused model was closed %d times, want 1", n)
	}
	if err := s.reload(t.Context(), shelf.path("b")); err == nil {
		t.Error("a model that is not there was loaded")
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 3, 2, red)), http.StatusOK, "red")
	if err := newServer(t, nil, Config{}).reload(t.Context(), "x"); err == nil {
		t.Error("Reload without Open: got no error")
	}
}

// Kubernetes mounts a folder of links into a folder behind a link, and swaps that: a change behind
// links is seen, and their size counts.
func TestRegression_LinkedModels(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "m")
	for _, version := range []string{"v1", "v2"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(root, version), 0o700),
			os.WriteFile(filepath.Join(root, version, "model.json"), []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
		same := time.Unix(1, 0) // equal size and time: the link alone differs
		if err := os.Chtimes(filepath.Join(root, version, "model.json"), same, same); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("v1", filepath.Join(root, "..data")), os.Mkdir(dir, 0o700),
		os.Symlink("../..data/model.json", filepath.Join(dir, "model.json")),
		os.Symlink("m", filepath.Join(root, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(root, "link"), filepath.Join(dir, "model.json")} {
		before := Fingerprint(path)
		if n, err := sizeOnDisk(path); before == "" || n != 4 || err != nil {
			t.Errorf("%s: got %q, %d bytes and %v; want a fingerprint and twice 2 bytes", path, before, n, err)
		}
		other := "v2"
		if strings.Contains(before, "v2") {
			other = "v1"
		}
		if err := errors.Join(os.Symlink(other, filepath.Join(root, "new")),
			os.Rename(filepath.Join(root, "new"), filepath.Join(root, "..data"))); err != nil {
			t.Fatal(err)
		}
		if after := Fingerprint(path); after == "" || after == before {
			t.Errorf("%s: got %q before and after the swap", path, after)
		}
	}
}

// A device, as a pipe, is no model, and is not opened to find out.
func TestRegression_ModelThatIsNoFile(t *testing.T) {
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Skip("the null device of this system is none")
	}
	if _, err := sizeOnDisk(os.DevNull); err == nil {
		t.Error("a device has a size")
	}
	if got := Fingerprint(os.DevNull); got != "" {
		t.Errorf("a device has the fingerprint %q", got)
	}
	s := newServer(t, nil, Config{MultiModel: true, Open: open})
	wantStatus(t, loadModel(s, "a", os.DevNull), http.StatusNotFound, "no readable model")
}
