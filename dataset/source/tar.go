package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/c236555e/rehead/internal/tarfile"
)

// readTar reads the headers of a tar, jumping over what lies between them.
func (a *Archive) readTar(r io.ReaderAt, size int64) error {
	s := io.NewSectionReader(r, 0, size)
	return a.readHeaders(tar.NewReader(s), func() int64 {
		at, _ := s.Seek(0, io.SeekCurrent) // of a section it cannot fail
		return at
	}, func(p *packed, _ io.Reader) error {
		if p.at+p.size > size {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
}

// readHeaders notes the files of a tar. at is how far it was read, and met is handed the content of
// each file.
func (a *Archive) readHeaders(t *tar.Reader, at func() int64, met func(p *packed, r io.Reader) error) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
		if tarfile.NoFile(h) {
			continue
		}
		var p *packed
		switch h.Typeflag {
		case tar.TypeSymlink:
			a.links = append(a.links, link{h.Name, h.Linkname})
			if len(a.links) > maxEntries {
				return fmt.Errorf("holds more than %d links: unpack it and name the folder", maxEntries)
			}
			continue
		case tar.TypeDir:
		case tar.TypeLink: // another name of an earlier file
			p = &packed{bad: fmt.Sprintf("is a link to %q, which the archive does not hold before it", h.Linkname)}
			if c, err := a.find("stat", a.Root()+"/"+h.Linkname); err == nil && c.file != nil {
				p = c.file
			}
		case tar.TypeReg:
			p = &packed{size: h.Size, at: at(), bad: badTar(h)}
			if err := met(p, t); err != nil {
				return damaged(err)
			}
		default:
			p = &packed{bad: fmt.Sprintf("is a %s, not a file", Kind(h.FileInfo().Mode()))}
			if h.Typeflag == tar.TypeGNUSparse {
				p.bad = sparse
			}
		}
		if err := a.insert(h.Name, p); err != nil {
			return err
		}
	}
}

const sparse = "is stored as a sparse file, which is not read in an archive: unpack it and name the folder"

// badTar says why a regular file of a tar cannot be read, "" where it can.
func badTar(h *tar.Header) string {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return sparse
		}
	}
	return ""
}
