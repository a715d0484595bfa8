package dataset

import (
	"os"

	"golang.org/x/sys/windows"
)

// beyond is where the locked byte lies: past any record, for Windows keeps others from reading what
// is locked.
const beyond = 1 << 30 // in units of 4 GiB

// lock waits until no other handle holds the lock.
func lock(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0,
		&windows.Overlapped{OffsetHigh: beyond})
}

func unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: beyond})
}
