package memory

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Peak is the most memory this process has held, in MB (1e6 bytes): the kernel's own figure on
// Linux, Go's elsewhere.
func Peak() float64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				if kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64); err == nil {
					return kb * 1024 / 1e6
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys) / 1e6
}
