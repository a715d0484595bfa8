//go:build unix

package boundtest

import (
	"syscall"
	"time"
)

// spent is the time for which processors worked on the process, outside the kernel.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano())
}
