package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/tarfile"
)

// Bounds on what a tape keeps in memory, in bytes.
const (
	maxKept   = 64 << 20  // files
	maxFile   = 8 << 20   // of these, the largest
	maxWindow = 128 << 20 // of what zstd looks back on, as its own program has it
)

// tape reads the files of a compressed tar. It goes over the content from the beginning on, keeps
// some of what it passes, since several readers come for files that lie near each other, and begins
// again when it is asked for what it has passed and not kept. A tar that unpacks to less than
// maxKept is read but once.
type tape struct {
	file *os.File
	size int64
	kind string

	room int64 // for what is kept

	mu    sync.Mutex
	r     io.ReadCloser // content, from pos on; nil before the first file
	pos   int64
	files []*packed // in the order of their places
	next  int       // the first file at or behind pos
	kept  map[*packed][]byte
	order []*packed // of the kept ones, the oldest first
	held  int64     // bytes of the kept ones
}

// content is the uncompressed tar from its beginning.
func (t *tape) content() (io.ReadCloser, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(t.file, 0, t.size), 1<<18)
	if t.kind == "gzip" {
		return gzip.NewReader(in)
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// readTape reads a compressed tar once, for its headers and the first bytes of its files.
func (a *Archive) readTape(kind string, f *os.File, size int64) error {
	t := &tape{file: f, size: size, kind: kind, room: maxKept, kept: map[*packed][]byte{}}
	r, err := t.content()
	if err != nil {
		return damaged(err)
	}
	defer func() { _ = r.Close() }() // only read
	limit := int64(freeBytes) + maxGrowth*size
	whole := &io.LimitedReader{R: r, N: limit}
	in := &counter{r: bufio.NewReaderSize(whole, tarfile.Block)}
	if head, err := in.r.(*bufio.Reader).Peek(tarfile.Block); err != nil && !errors.Is(err, io.EOF) {
		return damaged(err)
	} else if !tarfile.Is(head) && len(bytes.Trim(head, "\x00")) > 0 {
		return fmt.Errorf("is packed by %s, but what is packed is no tar: unpack it and name what comes out", kind)
	}
	all := true
	err = a.readHeaders(tar.NewReader(in), func() int64 { return in.n }, func(p *packed, r io.Reader) error {
		t.files = append(t.files, p)
		keep := all && p.size <= maxFile && t.held+p.size <= t.room
		if all = all && keep; !all && t.held > 0 {
			t.drop(t.held)
		}
		return t.look(p, r, keep)
	})
	if err == nil {
		if _, rest := io.Copy(io.Discard, whole); rest != nil { // up to the checksum of the whole
			err = damaged(rest)
		}
	}
	if whole.N <= 0 {
		err = tooMuch(limit)
	}
	a.tape = t
	return err
}

// look takes up a file: what its first bytes say, and its content if it is to be kept.
func (t *tape) look(p *packed, r io.Reader, keep bool) error {
	n := min(p.size, picture.SniffLen)
	if keep {
		n = p.size
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	p.format, p.picture = picture.Sniff(data[:min(n, picture.SniffLen)])
	if keep {
		t.keep(p, data)
	}
	return nil
}

// keep holds a file in memory.
func (t *tape) keep(p *packed, data []byte) {
	t.drop(t.held + p.size - t.room)
	t.kept[p], t.order, t.held = data, append(t.order, p), t.held+p.size
}

// drop gives up at least n bytes of what is kept, the oldest first.
func (t *tape) drop(n int64) {
	for n > 0 && len(t.order) > 0 {
		oldest := t.order[0]
		t.order = t.order[1:]
		delete(t.kept, oldest)
		t.held, n = t.held-oldest.size, n-oldest.size
	}
}

// open opens a file.
func (t *tape) open(p *packed) (io.ReadCloser, error) {
	if p.size > maxFile {
		return t.openLarge(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	data, ok := t.kept[p]
	if !ok {
		var err error
		if data, err = t.wind(p); err != nil {
			err = errors.Join(damaged(err), t.rewind())
			return nil, err
		}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// openLarge opens a file that is not kept, by going over the content up to it.
func (t *tape) openLarge(p *packed) (io.ReadCloser, error) {
	r, err := t.content()
	if err != nil {
		return nil, damaged(err)
	}
	if _, err := io.CopyN(io.Discard, r, p.at); err != nil {
		return nil, errors.Join(damaged(err), r.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, p.size), r}, nil
}

// rewind goes back to the beginning.
func (t *tape) rewind() (err error) {
	if t.r != nil {
		err = t.r.Close()
	}
	t.r, t.pos, t.next = nil, 0, 0
	return err
}

// wind goes to a file and reads it. It and those on the way are kept.
func (t *tape) wind(p *packed) (data []byte, err error) {
	if t.r == nil || p.at < t.pos {
		if err := t.rewind(); err != nil {
			return nil, err
		}
		if t.r, err = t.content(); err != nil {
			return nil, err
		}
	}
	for data == nil {
		if t.next == len(t.files) {
			return nil, errors.New("a file is not where it was")
		}
		f := t.files[t.next]
		if _, err := io.CopyN(io.Discard, t.r, f.at-t.pos); err != nil {
			return nil, err
		}
		t.pos = f.at
		t.next++
		if f.size > maxFile {
			continue
		}
		content := make([]byte, f.size)
		if _, err := io.ReadFull(t.r, content); err != nil {
			return nil, err
		}
		t.pos += f.size
		t.keep(f, content)
		if f == p {
			data = content
		}
	}
	return data, nil
}
