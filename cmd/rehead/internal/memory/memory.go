// Package memory knows how much memory this process may use, and shares it out among the parts of a
// server.
package memory

import (
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// unlimited is the least value by which control groups of version 1 mean that there is no limit.
const unlimited = 1 << 50

// Limit is the memory that this process may use, in bytes: the tightest limit of its control
// groups, of either version, else the machine's; 0 where neither is known. group says
// that a control group sets it. root is the file system's root. Go's runtime sets GOMAXPROCS from
// the control group's quota itself.
func Limit(root fs.FS) (limit int64, group bool) {
	limit = math.MaxInt64
	tighten := func(file string) {
		if data, err := fs.ReadFile(root, file); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && n > 0 && n < unlimited {
				limit = min(limit, n)
			}
		}
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	// in a container the groups are often mounted as its root
	for line := range strings.Lines("0::/\n0:memory:/\n" + string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		base, files := "", []string(nil)
		switch {
		case fields[1] == "":
			base, files = "sys/fs/cgroup", []string{"memory.max", "memory.high"}
		case strings.Contains(","+fields[1]+",", ",memory,"):
			base, files = "sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"}
		}
		for _, file := range files {
			for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) { // a parent's limit binds its children
				tighten(path.Join(base, dir, file))
				if dir == "/" {
					break
				}
			}
		}
	}
	if limit < math.MaxInt64 {
		return limit, true
	}
	data, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				if kb, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
					return kb * 1024, false
				}
			}
		}
	}
	return 0, false
}

// System is Limit of this process.
func System() (limit int64, group bool) { return Limit(os.DirFS("/")) }
