package engine

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processor writes the number of the processor that it runs on, and returns that of the thread.
func processor(to *uint32) (thread uint32, ok bool) {
	_, _, failed := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(to)), 0, 0)
	id, _ := unix.RawSyscallNoError(unix.SYS_GETTID, 0, 0, 0)
	return uint32(id), failed == 0
}

// leave moves this thread to a processor that no member was last seen on, where it may run on one; it may
// go back as soon as the system likes. Where there are fewer processors than members it stays.
func leave(seats []seat) {
	runtime.LockOSThread() // so that no thread is started by this one in between, which would stay bound
	defer runtime.UnlockOSThread()
	var may unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil || may.Count() < len(seats) {
		return
	}
	free := may
	for i := range seats {
		if cpu := uint32(seats[i].at.Load()); cpu > 0 {
			free.Clear(int(cpu - 1))
		}
	}
	if free.Count() > 0 && unix.SchedSetaffinity(0, &free) == nil {
		_ = unix.SchedSetaffinity(0, &may)
	}
}
