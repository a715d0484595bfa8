package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxFile bounds a download whose size nobody states.
const maxFile = 1 << 30

// download brings one URL to a .part file, taking up what is there already.
type download struct {
	url  string
	part string // path; beside it, part.json remembers which version of the file it belongs to
	size int64  // as published, 0 when unknown
	cfg  PullConfig

	last time.Time // of the last progress
}

// version is what the server said about the file that a .part belongs to.
type version struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // strong ETag, or Last-Modified
}

// errPermanent is a failure that another try will not mend.
type errPermanent struct{ error }

func (e errPermanent) Unwrap() error { return e.error }

// run tries until the file is whole.
func (d *download) run(ctx context.Context) error {
	tries := d.cfg.Retries
	if tries == 0 {
		tries = 5
	}
	wait := d.cfg.Wait
	if wait == nil {
		wait = func(try int) time.Duration { return time.Second << min(try, 5) }
	}
	for try := 0; ; try++ {
		err := d.try(ctx)
		var p errPermanent
		if err == nil || errors.As(err, &p) || ctx.Err() != nil || try >= tries {
			return err
		}
		pause := wait(try)
		if d.cfg.Retrying != nil {
			d.cfg.Retrying(err, pause)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// drop removes what was downloaded.
func (d *download) drop() {
	_ = os.Remove(d.part) // either may be gone; nothing depends on it
	_ = os.Remove(d.part + ".json")
}

// have returns how much of the file is there and which version of it, both empty when it cannot be
// taken up.
func (d *download) have() (int64, string) {
	st, err := os.Stat(d.part)
	if err != nil || !st.Mode().IsRegular() {
		return 0, ""
	}
	b, err := os.ReadFile(d.part + ".json")
	var v version
	if err != nil || json.Unmarshal(b, &v) != nil || v.URL != d.url || v.Validator == "" {
		return 0, ""
	}
	return st.Size(), v.Validator
}

// try makes one request and reads it to the end.
func (d *download) try(ctx context.Context) error {
	have, validator := d.have()
	if have > 0 && have == d.size {
		return nil // whole; the digest decides
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return errPermanent{err}
	}
	req.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", validator)
	}
	res, err := d.client().Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", d.url, hideQuery(err))
	}
	defer res.Body.Close() //nolint:errcheck // read to the end or given up
	total, err := d.accept(res, &have)
	if err != nil {
		return fmt.Errorf("%s: %w", d.url, err)
	}
	return d.copy(res.Body, have, total)
}

// accept decides what the answer means: how many bytes to keep, and how many there will be (0:
// unknown).
func (d *download) accept(res *http.Response, have *int64) (int64, error) {
	switch res.StatusCode {
	case http.StatusOK:
		*have = 0
		if err := d.remember(res); err != nil {
			return 0, err
		}
		return d.limit(res.ContentLength)
	case http.StatusPartialContent:
		first, total, err := contentRange(res.Header.Get("Content-Range"))
		if err == nil && first != *have {
			err = fmt.Errorf("answers from byte %d, want %d", first, *have)
		}
		if err != nil {
			d.drop()
			return 0, err
		}
		return d.limit(total)
	case http.StatusRequestedRangeNotSatisfiable:
		d.drop()
		return 0, errors.New("the server has less than was downloaded before: starting again")
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return 0, errors.New(res.Status)
	}
	if res.StatusCode >= 500 {
		return 0, errors.New(res.Status)
	}
	return 0, errPermanent{fmt.Errorf("%s: the file is not there; name a mirror with --from", res.Status)}
}

// limit refuses sizes that cannot be right.
func (d *download) limit(total int64) (int64, error) {
	if d.size > 0 && total > 0 && total != d.size {
		return 0, errPermanent{fmt.Errorf("has %d bytes, want %d: it is not the published file", total, d.size)}
	}
	if total > maxFile {
		return 0, errPermanent{fmt.Errorf("has %d bytes, want at most %d", total, maxFile)}
	}
	return max(total, 0), nil
}

// remember empties the .part and notes which version of the file will be in it.
func (d *download) remember(res *http.Response) error {
	d.drop()
	v := version{URL: d.url, Validator: res.Header.Get("ETag")}
	if v.Validator == "" || strings.HasPrefix(v.Validator, "W/") {
		v.Validator = res.Header.Get("Last-Modified")
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return put(d.part+".json", b)
}

// copy appends the body behind the first have bytes.
func (d *download) copy(body io.Reader, have, total int64) error {
	f, err := os.OpenFile(d.part, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return errPermanent{err}
	}
	err = d.fill(f, body, have, total)
	return errors.Join(err, f.Sync(), f.Close())
}

func (d *download) fill(f *os.File, body io.Reader, have, total int64) error {
	if err := f.Truncate(have); err != nil {
		return errPermanent{err}
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return errPermanent{err}
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := f.Write(buf[:n]); err != nil {
				return errPermanent{fmt.Errorf("cannot be stored: %w (what is here is kept: pull again when there is room)", err)}
			}
			if have += int64(n); have > maxFile || total > 0 && have > total {
				return errPermanent{fmt.Errorf("%s sends more than the %d bytes it promised", d.url, max(total, maxFile))}
			}
			d.progress(have, total, false)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: interrupted after %d bytes: %w", d.url, have, err)
		}
	}
	if total > 0 && have != total {
		return fmt.Errorf("%s: interrupted after %d of %d bytes", d.url, have, total)
	}
	d.progress(have, total, true)
	return nil
}

// progress reports at most five times a second.
func (d *download) progress(done, total int64, end bool) {
	if d.cfg.Progress == nil || !end && time.Since(d.last) < 200*time.Millisecond {
		return
	}
	d.last = time.Now()
	d.cfg.Progress(done, total)
}

// client is the caller's, or one that honours proxies, gives up on a server that does not answer,
// and never follows a redirect from HTTPS to anything else.
func (d *download) client() *http.Client {
	if d.cfg.Client != nil {
		return d.cfg.Client
	}
	//nolint:errcheck,forcetypeassert // it is one unless somebody replaced it
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: t, CheckRedirect: stayEncrypted}
}

func stayEncrypted(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errPermanent{errors.New("more than 10 redirects")}
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errPermanent{fmt.Errorf("is redirected from HTTPS to %s", req.URL.Scheme)}
	}
	return nil
}

// hideQuery takes the URL out of a client's error: after a redirect it may hold a signature.
func hideQuery(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// contentRange reads "bytes 5-9/10".
func contentRange(s string) (first, total int64, err error) {
	bad := fmt.Errorf("answers with Content-Range %q", s)
	s, ok := strings.CutPrefix(s, "bytes ")
	span, all, ok2 := strings.Cut(s, "/")
	from, _, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, bad
	}
	if first, err = strconv.ParseInt(from, 10, 64); err != nil || first < 0 {
		return 0, 0, bad
	}
	if all == "*" {
		return first, 0, nil
	}
	if total, err = strconv.ParseInt(all, 10, 64); err != nil || total < first {
		return 0, 0, bad
	}
	return first, total, nil
}
