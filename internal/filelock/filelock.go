// Package filelock keeps processes out of each other's way. A lock is gone when the process that
// holds it is, however it ends. A file system without locks (some network mounts) is taken as it
// is: there one process at a time must use the file.
//
// The lock of a file is on the file itself, which it makes if need be; on Windows, which keeps
// others from reading what is locked, it is on FILE.lock, unless FILE is a lock already.
package filelock

import (
	"errors"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrHeld is what TryLock returns for a lock that another open file of any process holds.
var ErrHeld = errors.New("the file is locked")

// Lock waits until nobody else holds the lock.
func Lock(path string) (unlock func() error, err error) {
	f := lockOf(path)
	for err = f.Lock(); errors.Is(err, syscall.EINTR); {
		err = f.Lock()
	}
	return result(f, err)
}

// TryLock does not wait.
func TryLock(path string) (unlock func() error, err error) {
	f := lockOf(path)
	held, err := f.TryLock()
	if err == nil && !held {
		err = ErrHeld
	}
	return result(f, err)
}

func lockOf(path string) *flock.Flock {
	if runtime.GOOS == "windows" && filepath.Ext(path) != ".lock" {
		path += ".lock"
	}
	return flock.New(path, flock.SetPermissions(0o644))
}

func result(f *flock.Flock, err error) (func() error, error) {
	if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.ENOLCK) {
		return nil, err
	}
	return f.Unlock, nil
}
