//go:build unix

package registry

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps other processes from working on the same set; it is gone when the process is, however
// it ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // the lock is the error to tell
		return nil, fmt.Errorf("%s is in use: another rehead is pulling the same set (%w)", path, err)
	}
	return func() { _ = f.Close() }, nil // closing gives the lock back
}
