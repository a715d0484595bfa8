// Package atomicfile writes files that appear whole or not at all: under a temporary name in the
// same folder, synced and renamed.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// TempPrefix begins the name of a file that is not finished; a process that is killed leaves it.
const TempPrefix = ".rehead-tmp-"

// TempName is a name in dir that nobody else uses.
func TempName(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08x", TempPrefix, rand.Uint32()))
}

// Write makes the file path, or replaces it.
func Write(path string, write func(io.Writer) error) error {
	return WriteVia(TempName(filepath.Dir(path)), path, write)
}

// WriteVia is Write for a caller that names the temporary file, in the same folder, and so leaves
// one at most however often it is killed. Two that write at once may put half a file at path.
func WriteVia(temp, path string, write func(io.Writer) error) error {
	err := refuseFolder(path)
	if err == nil {
		err = os.Remove(temp)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = WriteNew(temp, write)
	}
	if err == nil {
		err = rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// WriteNew makes and syncs the new file path, under this name at once, and leaves nothing when it
// fails.
func WriteNew(path string, write func(io.Writer) error) error {
	file, err := create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<18)
	if err = write(out); err == nil {
		err = out.Flush()
	}
	return finish(file, err)
}

// File is a file that is being written. Not safe for concurrent use.
type File struct {
	*os.File // nil after Commit or Discard
	path     string
}

// Create begins a file. Nothing appears at path before Commit.
func Create(path string) (*File, error) {
	if err := refuseFolder(path); err != nil {
		return nil, err
	}
	file, err := create(TempName(filepath.Dir(path)))
	if err != nil {
		return nil, err
	}
	return &File{file, path}, nil
}

// Commit syncs the file and puts it at its path; a file that cannot be is discarded.
func (f *File) Commit() error {
	file := f.File
	f.File = nil
	if err := finish(file, nil); err != nil {
		return err
	}
	return rename(file.Name(), f.path)
}

// Discard removes the file, unless Commit was called. It may be called more than once.
func (f *File) Discard() error {
	if f.File == nil {
		return nil
	}
	file := f.File
	f.File = nil
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

func refuseFolder(path string) error {
	if stat, err := os.Stat(path); err == nil && stat.IsDir() {
		return errors.New("it is a folder, name a file")
	}
	return nil
}

func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
}

// finish syncs and closes the file, or removes it where that fails or err is what went wrong
// before.
func finish(file *os.File, err error) error {
	if err == nil {
		err = file.Sync()
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func rename(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder makes the names in a folder last through a power cut, where the system can do that and
// the folder may be read.
func SyncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}
