//go:build unix

package inception

import (
	"syscall"
	"testing"
)

const device = "/dev/zero"

func makePipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}
