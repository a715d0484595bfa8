package inception

import "golang.org/x/sys/unix"

// swapFolders exchanges two folders in one step.
func swapFolders(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
