package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A host of sharded channels hands its files out to the leader:
//
//	GET /files/PLACE    a file of its inventory, or a range of it; 409 with the reason where it cannot be read
type fileServer struct {
	job    string
	dirs   []string
	have   inventory
	server *http.Server
}

// serveFiles hands out what this host has on a port of its own, which the inventory then says.
func serveFiles(job string, dirs []string, have *inventory) (*fileServer, error) {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, fmt.Errorf("sagemaker: hosts: no port to hand pictures out on: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err == nil {
		have.Port, err = strconv.Atoi(port)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	f := &fileServer{job: job, dirs: dirs, have: *have}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /files/{place}", f.give)
	f.server = &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 1 << 14}
	go func() { _ = f.server.Serve(listener) }() // who fetches notices
	return f, nil
}

func (f *fileServer) give(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(headerJob) != f.job {
		http.Error(w, fmt.Sprintf("job %q is not ours", r.Header.Get(headerJob)), http.StatusForbidden)
		return
	}
	place, err := strconv.Atoi(r.PathValue("place"))
	if err != nil || place < 0 || place >= len(f.have.Files) || f.have.Files[place].Folder {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	of := f.have.Files[place]
	file, err := os.Open(filepath.Join(f.dirs[of.Channel], filepath.FromSlash(of.Path)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	defer file.Close() //nolint:errcheck // only read
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, file)
}

func (f *fileServer) close() error { return f.server.Close() }

// fetcher gets files from other hosts.
type fetcher struct {
	ctx    context.Context
	cfg    Config
	ports  map[string]int
	client *http.Client
	failed func(error) // is told when a host cannot be reached any more
}

// fetchTries is how often a range is asked for before its host is given up.
const fetchTries = 5

// open opens n bytes of a host's file from off on. A host that cannot be reached ends the job: a picture
// is not unreadable for that.
func (f *fetcher) open(host string, place int, off, n int64) (io.ReadCloser, error) {
	r := &remote{f: f, host: host, place: place, off: off, left: n}
	if err := r.again(nil); err != nil {
		return nil, err
	}
	return r, nil
}

// remote is a range of a host's file that is gone on with where it is cut.
type remote struct {
	f         *fetcher
	host      string
	place     int
	off, left int64
	tries     int
	body      io.ReadCloser
}

// errUnfit is an answer of a host that is reached.
var errUnfit = errors.New("refused")

// again asks for what is left; cut is why what came ended, nil at first.
func (r *remote) again(cut error) error {
	for {
		if r.tries++; r.tries > fetchTries {
			err := fmt.Errorf("train: host %s, which has some of the pictures, cannot be read from: %w", r.host, cut)
			r.f.failed(err)
			return err
		}
		if r.tries > 1 {
			select {
			case <-r.f.ctx.Done():
				return context.Cause(r.f.ctx)
			case <-time.After(min(retryEvery, r.f.cfg.silence()/10)):
			}
		}
		if cut = r.ask(); cut == nil || errors.Is(cut, errUnfit) {
			return cut
		}
		if r.f.ctx.Err() != nil {
			return context.Cause(r.f.ctx)
		}
	}
}

func (r *remote) ask() error {
	url := fmt.Sprintf("http://%s/files/%d", net.JoinHostPort(r.host, fmt.Sprint(r.f.ports[r.host])), r.place)
	q, err := http.NewRequestWithContext(r.f.ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	q.Header.Set(headerJob, r.f.cfg.Job)
	q.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.off, r.off+r.left-1))
	answer, err := r.f.client.Do(q)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusPartialContent || answer.ContentLength != r.left {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		_ = answer.Body.Close()
		return fmt.Errorf("host %s: %w: %s, %d bytes: %s", r.host, errUnfit, answer.Status, answer.ContentLength,
			strings.TrimSpace(string(text)))
	}
	r.body = answer.Body
	return nil
}

// Read implements io.Reader.
func (r *remote) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
		r.off, r.left = r.off+int64(n), r.left-int64(n)
		if n > 0 {
			r.tries = 0
		}
		if n > 0 || r.left == 0 {
			return n, nil
		}
		if err == nil {
			continue
		}
		_ = r.body.Close()
		if err = r.again(err); err != nil {
			r.body = io.NopCloser(strings.NewReader(""))
			return 0, err
		}
	}
}

// Close implements io.Closer.
func (r *remote) Close() error { return r.body.Close() }
