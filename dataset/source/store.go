package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/tarfile"
)

// Store is where files lie: the file system, which is Disk, an Archive, or whatever else lists,
// measures and opens files. Each file has one path, which begins with what the store is called by,
// such as photos.zip!/daisy/1.jpg, so that a path alone is enough for people. Methods follow links,
// are safe for concurrent use and fail as those of package os do.
type Store interface {
	// ReadDir lists what lies directly in a folder, in the order in which it is read fastest.
	ReadDir(path string) ([]fs.DirEntry, error)
	Stat(path string) (fs.FileInfo, error)
	Open(path string) (io.ReadCloser, error)
}

// Disk is the file system.
type Disk struct{}

// ReadDir implements Store.
func (Disk) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := refuseAddress(path); err != nil {
		return nil, err
	}
	return os.ReadDir(path)
}

// Stat implements Store.
func (Disk) Stat(path string) (fs.FileInfo, error) {
	if err := refuseAddress(path); err != nil {
		return nil, err
	}
	return os.Stat(path)
}

// Open implements Store.
func (Disk) Open(path string) (io.ReadCloser, error) {
	if err := refuseAddress(path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// Open tells where a path that people gave leads: to an archive that the file is, or that the part
// before "!/" is, else to Disk, whether there is such a file or not. root is the path in the
// store. Addresses lead where a registered scheme says, see Register; others are an error that says
// how to fetch them, and so are archives that cannot be read.
func Open(path string) (s Store, root string, err error) { return Addresses(nil).Open(path) }

// Open is the function Open, which these addresses take the place of registered schemes for.
func (a Addresses) Open(path string) (s Store, root string, err error) {
	if open := a.opener(path); open != nil {
		if Scheme(path) == "" {
			return open(path)
		}
		return openAddress(path, open)
	}
	if err := refuseAddress(path); err != nil {
		return nil, "", err
	}
	if _, err := os.Stat(path); err == nil {
		a, err := openArchive(path)
		switch {
		case err != nil:
			return nil, "", err
		case a != nil:
			return a, a.Root(), nil
		}
		return Disk{}, path, nil
	}
	for i := range len(path) {
		rest, ok := strings.CutPrefix(path[i:], within)
		if !ok || rest != "" && !os.IsPathSeparator(rest[0]) {
			continue
		}
		a, err := openArchive(path[:i])
		if err != nil {
			return nil, "", err
		}
		if a != nil {
			return a, path, nil
		}
	}
	return Disk{}, path, nil
}

// openArchive opens a file that is an archive; nil for one that is not, and for none.
func openArchive(path string) (*Archive, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, nil //nolint:nilerr // who reads it says what is wrong
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil //nolint:nilerr // likewise
	}
	return archiveIn(path, f, info.Size())
}

// archiveIn is the archive that a file is; nil for one that is none, which is closed then, as it is
// with an error.
func archiveIn(path string, f *os.File, size int64) (*Archive, error) {
	head := make([]byte, tarfile.Block)
	n, _ := io.ReadFull(f, head)
	if kind := ArchiveKind(head[:n]); kind != "" {
		a, err := newArchive(path, kind, f, size)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
		}
		return a, nil
	}
	return nil, f.Close()
}

// fetching says how a file is fetched from an address, by its scheme.
var fetching = [...]struct{ scheme, command string }{
	{"s3", "aws s3 cp --recursive ADDRESS DIR"},
	{"gs", "gcloud storage cp --recursive ADDRESS DIR, or read it as s3:// with AWS_ENDPOINT_URL_S3=" +
		"https://storage.googleapis.com and an HMAC key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
	{"az", "az storage copy --recursive -s ADDRESS -d DIR"}, {"abfs", "az storage copy --recursive -s ADDRESS -d DIR"},
	{"abfss", "az storage copy --recursive -s ADDRESS -d DIR"},
	{"hf", "hf download --repo-type dataset NAME --local-dir DIR"},
	{"http", "curl -LO ADDRESS"}, {"https", "curl -LO ADDRESS"},
}

// refuseAddress is an error for s3://bucket/flowers and the like. file:// is one too.
func refuseAddress(path string) error {
	scheme, _, ok := strings.Cut(path, "://")
	if !ok || scheme == "" || strings.ContainsAny(scheme, `/\`) {
		return nil
	}
	for _, f := range fetching {
		if strings.EqualFold(scheme, f.scheme) {
			command := strings.ReplaceAll(f.command, "ADDRESS", path)
			if filepath.Ext(path) != "" { // one file
				command = strings.Replace(command, "--recursive ", "", 1)
			}
			return fmt.Errorf("%s is an address, want a file or folder on this machine: fetch it first (%s) and name what "+
				"that writes", path, command)
		}
	}
	return fmt.Errorf("%s is an address, want a file or folder on this machine: fetch it first, and name what was fetched",
		path)
}

// store is where the file lies.
func (f File) store() Store {
	if f.Store == nil {
		return Disk{}
	}
	return f.Store
}

// Read reads the file, which may have at most lim.MaxBytes bytes. A folder, device or pipe is an
// error, a larger file a *picture.TooLargeError.
func (f File) Read(lim picture.Limits) (data []byte, err error) {
	info, err := f.store().Stat(f.Path) // before opening: opening a pipe would wait for its writer
	if err != nil {
		return nil, fmt.Errorf("dataset: read picture: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("dataset: read picture %q: got a %s, want a regular file", f.Path, Kind(info.Mode()))
	}
	limit := lim.Bytes()
	if info.Size() > limit {
		return nil, fmt.Errorf("%q: %w", f.Path, &picture.TooLargeError{What: "bytes", Got: info.Size(), Limit: limit})
	}
	if far, ok := f.Store.(Far); ok {
		return far.ReadFile(f.Path, limit)
	}
	r, err := f.store().Open(f.Path)
	if err != nil {
		return nil, fmt.Errorf("dataset: read picture: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data = make([]byte, 0, info.Size()+1)
	for int64(len(data)) <= limit {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, fmt.Errorf("dataset: read picture %q: %w", f.Path, err)
		}
		if len(data) == cap(data) { // the file grew since it was measured
			data = append(data, 0)[:len(data)]
		}
	}
	return nil, fmt.Errorf("%q: %w", f.Path, &picture.TooLargeError{What: "bytes", Got: int64(len(data)), Limit: limit})
}

// Read is File.Read of a file on disk.
func Read(path string, lim picture.Limits) ([]byte, error) { return File{Path: path}.Read(lim) }

// Order returns the order in which the files of a list are read fastest, as places in it: that of
// an archive that can only be read from its beginning on, elsewhere as they stand.
func Order[T any](list []T, file func(T) File) []int {
	order, ranks := make([]int, len(list)), make([]rank, len(list))
	archives := map[*Archive]int{}
	for i := range order {
		order[i] = i
		if file == nil {
			continue
		}
		f := file(list[i])
		if a, ok := f.Store.(*Archive); ok && a != nil && a.tape != nil {
			if archives[a] == 0 {
				archives[a] = len(archives) + 1
			}
			ranks[i] = rank{archives[a], a.place(f.Path)}
		}
	}
	if len(archives) > 0 {
		sortByRank(order, ranks)
	}
	return order
}

// Kind names what a file is that is not regular: "folder", "pipe"...
func Kind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&os.ModeNamedPipe != 0:
		return "pipe"
	case m&os.ModeSocket != 0:
		return "socket"
	case m&os.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// clean is a path that can be compared.
func clean(path string) string { return filepath.ToSlash(filepath.Clean(path)) }
