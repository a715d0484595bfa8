package convert

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/c236555e/rehead/internal/tarfile"
)

// What is taken out of an archive is bounded: the largest official file has 96 MB, and weights
// hardly shrink when they are packed, so an archive whose contents are many times its size holds
// something else.
const (
	maxUnpacked = 512 << 20
	maxRatio    = 64
)

// isGzip tells a gzip file by its first bytes.
func isGzip(head []byte) bool { return bytes.HasPrefix(head, []byte("\x1f\x8b\x08")) }

// unpacked is a weight file out of an archive, and the label files beside it.
type unpacked struct {
	name  string
	data  *pages
	texts map[string]string // small text files by base name
}

// unpack takes the one weight file out of a .tgz such as inception-2015-12-05.tgz, or out of a
// plain .gz. size is the archive's.
func unpack(r io.Reader, size int64) (*unpacked, error) {
	limit := min(maxUnpacked, maxRatio*size)
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	b := bufio.NewReaderSize(z, 1<<16)
	if head, _ := b.Peek(tarfile.Block); !tarfile.Is(head) {
		data, err := readPages(b, limit)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return &unpacked{data: data}, nil
	}
	out := &unpacked{texts: map[string]string{}}
	for t, n := tar.NewReader(b), 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("tar: %w", err)
		}
		if n > 1000 {
			return nil, errors.New("archive has more than 1000 files")
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if path.Base(h.Name) == "model.json" {
			return nil, errors.New("is a packed model, not a weight file: unpack it and name its trunk.safetensors")
		}
		if err := out.take(path.Base(h.Name), h.Size, limit, t); err != nil {
			return nil, fmt.Errorf("%s in the archive: %w", h.Name, err)
		}
	}
	if out.data == nil {
		return nil, errors.New("archive has no weight file (.pb, .ckpt, .h5, .pth, .onnx or .safetensors)")
	}
	return out, nil
}

// take keeps a weight file or a text file.
func (u *unpacked) take(name string, size, limit int64, r io.Reader) error {
	switch path.Ext(name) {
	case ".pb", ".ckpt", ".h5", ".pth", ".pt", ".onnx", ".safetensors":
		if u.data != nil {
			return fmt.Errorf("is a second weight file beside %s: unpack the archive and name one", u.name)
		}
		if size > limit {
			return fmt.Errorf("has %d bytes, want at most %d in an archive of this size", size, limit)
		}
		data, err := readPages(r, limit)
		u.name, u.data = name, data
		return err
	case ".txt", ".pbtxt":
		if size <= 4<<20 && len(u.texts) < 16 && !strings.HasPrefix(name, ".") {
			data, err := readPages(r, min(4<<20, limit))
			if err == nil && len(data.page) > 0 {
				u.texts[name] = string(bytes.Join(data.page, nil))
			}
			return err
		}
	}
	return nil
}

// pages holds what was unpacked in pieces of equal size, so that it can grow without being copied.
type pages struct {
	page [][]byte
	size int64
}

const pageSize = 1 << 20

// ReadAt implements io.ReaderAt.
func (p *pages) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) && off < p.size {
		page := p.page[off/pageSize]
		k := copy(b[n:], page[off%pageSize:])
		n, off = n+k, off+int64(k)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// readPages reads everything, growing as it comes: a size that the archive claims is not believed.
func readPages(r io.Reader, limit int64) (*pages, error) {
	p := &pages{}
	for {
		page := make([]byte, pageSize)
		n, err := io.ReadFull(r, page)
		if n > 0 {
			p.page = append(p.page, page[:n:n])
			p.size += int64(n)
		}
		if p.size > limit {
			return nil, fmt.Errorf("unpacks to more than %d bytes, which no weights packed in so few do", limit)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n > 0 && atEnd(r) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// atEnd tells a short last page from a stream that is cut off: ReadFull makes one error of both,
// but a reader that ended well keeps saying EOF.
func atEnd(r io.Reader) bool {
	var one [1]byte
	_, err := r.Read(one[:])
	return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}
