package pth

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Archive is a ZIP archive of PyTorch's: everything in it lies in one folder.
type Archive struct {
	r      io.ReaderAt
	size   int64
	files  map[string]*zip.File // by name below that folder
	buffer []byte
}

// OpenArchive reads the directory of an archive of the given size.
func OpenArchive(r io.ReaderAt, size int64) (*Archive, error) {
	if err := ends(r, size); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("the ZIP directory cannot be read: fetch the file again: %w", err)
	}
	a := &Archive{r: r, size: size, files: make(map[string]*zip.File, len(z.File)), buffer: make([]byte, 1<<16)}
	top := ""
	for _, f := range z.File {
		base := path.Base(f.Name)
		if dir := path.Dir(f.Name); base == "data.pkl" || base == "archive_format" {
			if top != "" && dir != top {
				return nil, fmt.Errorf("the archive has two networks, in %q and %q", top, dir)
			}
			top = dir
		}
	}
	for _, f := range z.File {
		name, ok := f.Name, true
		if top != "" && top != "." {
			name, ok = strings.CutPrefix(name, top+"/")
		}
		if a.files[name] != nil && ok {
			return nil, fmt.Errorf("the archive has two files called %q", f.Name)
		}
		if ok {
			a.files[name] = f
		}
	}
	if b := a.files["byteorder"]; b != nil {
		return a, littleEndian(r, size, b)
	}
	return a, nil
}

// Has reports whether there is a file of that name.
func (a *Archive) Has(name string) bool { return a.files[name] != nil }

// Section is where the bytes of a stored file lie, once their checksum was held against the
// archive's.
func (a *Archive) Section(name string) (off, n int64, err error) {
	f := a.files[name]
	if f == nil {
		return 0, 0, fmt.Errorf("%q is not in the archive", name)
	}
	if off, n, err = section(f, a.size); err != nil {
		return 0, 0, err
	}
	return off, n, checksum(a.r, f, off, n, a.buffer)
}

// Text reads a small file, packed or not.
func (a *Archive) Text(name string, limit int64) ([]byte, error) {
	f := a.files[name]
	if f == nil {
		return nil, fmt.Errorf("%q is not in the archive", name)
	}
	c, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%q in the archive: %w", name, err)
	}
	defer c.Close() //nolint:errcheck // only read from
	limit = min(limit, 64*a.size)
	text, err := io.ReadAll(io.LimitReader(c, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("unpacks to more than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%q in the archive: %w", name, err)
	}
	return text, nil
}

// Reader is the file below, and its size.
func (a *Archive) Reader() (io.ReaderAt, int64) { return a.r, a.size }

// unpickle reads a pickle whose storages lie in a folder; with none, only their sizes count.
func (a *Archive) unpickle(name, folder string) (any, error) {
	off, n, err := a.Section(name)
	if err != nil {
		return nil, err
	}
	seen := map[string]*storage{}
	get := func(key string, d raw.DType, count int) (*storage, error) {
		if st := seen[key]; st != nil {
			if st.dtype != d || st.count != count {
				return nil, fmt.Errorf("storage %q is both %d of %v and %d of %v", key, st.count, st.dtype, count, d)
			}
			return st, nil
		}
		if folder == "" {
			seen[key] = &storage{key: key, dtype: d, count: count, off: -1}
			return seen[key], nil
		}
		file := path.Join(folder, key)
		if a.files[file] == nil || strings.ContainsAny(key, `/\`) {
			return nil, fmt.Errorf("storage %q is not in the archive", key)
		}
		off, n, err := a.Section(file)
		if err != nil {
			return nil, err
		}
		if n != int64(count)*int64(d.Size()) {
			return nil, fmt.Errorf("storage %q at offset %d has %d bytes, want %d elements of %v", key, off, n, count, d)
		}
		st := &storage{key: key, dtype: d, count: count, off: off}
		seen[key] = st
		return st, nil
	}
	return pickle.Read(raw.NewCursor(a.r, off, off+n), pickle.Config{
		Find:       find,
		Persistent: func(id any) (any, error) { return persistent(id, get) },
	})
}

// zipEnd is what stands in the last bytes of an archive without a comment, and torch.save writes
// none: a signature, 16 bytes about the directory, and the length of the comment.
const zipEnd = 22

// ends checks that the archive reaches to the end of the file and no further.
func ends(r io.ReaderAt, size int64) error {
	b := make([]byte, zipEnd)
	if size < zipEnd {
		return fmt.Errorf("has %d bytes, too few for a ZIP archive: fetch it again", size)
	}
	if err := raw.ReadFull(r, b, size-zipEnd); err != nil {
		return err
	}
	if !bytes.HasPrefix(b, []byte("PK\x05\x06")) || b[20] != 0 || b[21] != 0 {
		return fmt.Errorf("does not end at offset %d with a ZIP directory, as torch.save writes it: it is truncated, or "+
			"bytes follow the archive; fetch it again", size)
	}
	return nil
}

// section is where the bytes of a stored (not compressed) file of the archive lie.
func section(f *zip.File, size int64) (off, n int64, err error) {
	if f.Method != zip.Store {
		return 0, 0, fmt.Errorf("%q in the archive is compressed, which torch.save never does: save the weights again",
			f.Name)
	}
	off, err = f.DataOffset()
	if err != nil {
		return 0, 0, fmt.Errorf("%q in the archive: %w", f.Name, err)
	}
	if f.UncompressedSize64 > uint64(size) || off > size-int64(f.UncompressedSize64) {
		return 0, 0, fmt.Errorf("%q in the archive needs bytes %d..%d of a file of %d: it is truncated", f.Name, off,
			off+int64(f.UncompressedSize64), size)
	}
	return off, int64(f.UncompressedSize64), nil
}

// checksum holds the n bytes at off against the CRC-32 of their file in the archive; 0 is what a
// writer leaves that was told to spare the time.
func checksum(r io.ReaderAt, f *zip.File, off, n int64, buffer []byte) error {
	if f.CRC32 == 0 {
		return nil
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyBuffer(sum, io.NewSectionReader(r, off, n), buffer); err != nil {
		return err
	}
	if got := sum.Sum32(); got != f.CRC32 {
		return fmt.Errorf("%q in the archive was changed after it was written (CRC-32 %08x, want %08x): fetch the file again",
			f.Name, got, f.CRC32)
	}
	return nil
}

// littleEndian fails when the archive says that its numbers are stored the other way round.
func littleEndian(r io.ReaderAt, size int64, f *zip.File) error {
	off, n, err := section(f, size)
	if err != nil {
		return err
	}
	b, err := raw.NewCursor(r, off, off+n).Bytes(min(n, 16))
	if err == nil && string(b) != "little" {
		err = fmt.Errorf("byte order is %q, want little: save the weights on another machine", b)
	}
	return err
}
