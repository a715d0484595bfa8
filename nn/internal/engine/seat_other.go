//go:build !linux

package engine

// processor says that the number of the processor is not known.
func processor(*uint32) (thread uint32, ok bool) { return 0, false }

// leave is for systems that tell processors.
func leave([]seat) {}
