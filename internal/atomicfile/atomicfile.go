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
	"strings"
	"syscall"
	"time"

	"github.com/c236555e/rehead/internal/filelock"
)

// TempPrefix begins the name of a file that is not finished; a process that is killed leaves it.
const TempPrefix = ".rehead-tmp-"

// TempName is a name in dir that nobody else uses.
func TempName(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08x", TempPrefix, rand.Uint32()))
}

// LockName is a file in an unfinished folder, locked while somebody works on it.
const LockName = TempPrefix + "folder.lock"

// MakeFolder makes a folder of a temporary name in dir, and locks it.
func MakeFolder(dir string) (temp string, unlock func() error, err error) {
	for try := 0; ; try++ {
		temp = TempName(dir)
		if err := os.Mkdir(temp, 0o777); err != nil {
			return "", nil, err
		}
		if unlock, err = filelock.TryLock(filepath.Join(temp, LockName)); err == nil {
			if _, err = os.Lstat(filepath.Join(temp, LockName)); err == nil {
				return temp, unlock, nil
			}
			_ = unlock()
		}
		// somebody swept before the lock was there
		if again := errors.Is(err, filelock.ErrHeld) || errors.Is(err, fs.ErrNotExist); !again || try == 100 {
			return "", nil, errors.Join(err, os.RemoveAll(temp))
		}
	}
}

// Sweep removes what processes that were killed left in dir: folders that nobody has locked, and of
// what has no lock that which is older than an hour. It is of no matter when that fails.
func Sweep(dir string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if strings.HasPrefix(e.Name(), TempPrefix) && e.Name() != LockName {
			sweep(filepath.Join(dir, e.Name()))
		}
	}
}

func sweep(path string) {
	info, err := os.Lstat(path)
	if err != nil {
		return
	}
	left := time.Since(info.ModTime()) > time.Hour
	if _, err := os.Lstat(filepath.Join(path, LockName)); err == nil {
		unlock, err := filelock.TryLock(filepath.Join(path, LockName))
		if left = err == nil; left && runtime.GOOS == "windows" { // which removes no open file
			_ = unlock()
		} else if left {
			defer unlock() //nolint:errcheck // of a file that is gone
		}
	}
	if left {
		_ = os.RemoveAll(path)
	}
}

// Write makes the file path, or replaces it.
func Write(path string, write func(io.Writer) error) error {
	temp := TempName(filepath.Dir(path))
	err := refuseOther(path)
	if err == nil {
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
	if err := refuseOther(path); err != nil {
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

// refuseOther keeps a folder, and a device or pipe such as /dev/null, from being replaced by a file.
func refuseOther(path string) error {
	switch stat, err := os.Stat(path); {
	case err != nil || stat.Mode().IsRegular():
		return nil
	case stat.IsDir():
		return errors.New("it is a folder, name a file")
	default:
		return errors.New("it is a device or a pipe, name a file")
	}
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
