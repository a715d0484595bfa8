package memory

import (
	"testing"
	"testing/fstest"

	"github.com/c236555e/rehead/dataset/picture"
)

func TestMemoryLimit(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	const meminfo = "MemTotal:       24576 kB\nMemFree: 1 kB\n"
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int64
		group bool
	}{
		"nothing known": {fstest.MapFS{}, 0, false},
		"no group":      {fstest.MapFS{"proc/meminfo": file(meminfo)}, 24576 << 10, false},
		"no limit": {fstest.MapFS{"proc/meminfo": file(meminfo), "sys/fs/cgroup/memory.max": file("max\n")},
			24576 << 10, false},
		"a container v2": {fstest.MapFS{"proc/meminfo": file(meminfo), "sys/fs/cgroup/memory.max": file("1048576\n")},
			1 << 20, true},
		"high below max": {fstest.MapFS{"sys/fs/cgroup/memory.max": file("1048576\n"),
			"sys/fs/cgroup/memory.high": file("524288\n")}, 1 << 19, true},
		"a parent v2": {fstest.MapFS{
			"proc/self/cgroup": file("0::/a.slice/b.service\n"), "sys/fs/cgroup/a.slice/memory.max": file("2097152\n"),
			"sys/fs/cgroup/a.slice/b.service/memory.max": file("4194304\n"),
		}, 2 << 20, true},
		"v1": {fstest.MapFS{
			"proc/self/cgroup": file("5:cpu,cpuacct:/x\n4:memory:/docker/1\n"),
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("3145728\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          file("9223372036854771712\n"),
		}, 3 << 20, true},
		"a container v1": {fstest.MapFS{
			"proc/self/cgroup": file("4:memory:/docker/1\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("3145728\n"),
		}, 3 << 20, true},
		"nonsense": {fstest.MapFS{"proc/self/cgroup": file("x\n0::\n"), "sys/fs/cgroup/memory.max": file("-5"),
			"proc/meminfo": file("MemTotal:\n")}, 0, false},
	} {
		if got, group := Limit(c.files); got != c.want || group != c.group {
			t.Errorf("%s: got %d, %v, want %d, %v", name, got, group, c.want, c.group)
		}
	}
}

// Contract 43: a serverless endpoint has 1 to 6 GB. A model of the full width holds about 190 MB;
// bodies and decoders fit beside it.
func TestContract43Serverless(t *testing.T) {
	for gb := int64(1); gb <= 6; gb++ {
		c := Share(gb<<30, picture.DefaultMaxPixels)
		if c.Held+c.Decode > gb<<30-400<<20 {
			t.Errorf("%d GB: %d for bodies and %d for decoders leave too little for the model", gb, c.Held, c.Decode)
		}
		if c.Pixels < 20_000_000 || c.Pixels*decodeBytesPerPixel > c.Decode {
			t.Errorf("%d GB: %d pixels in %d bytes, want a camera's 20 megapixels at least, and none that does not fit", gb,
				c.Pixels, c.Decode)
		}
	}
	if got := Share(64<<30, picture.DefaultMaxPixels); got.Held != mostHeld || got.Decode != mostDecode ||
		got.Pixels != min(picture.DefaultMaxPixels, mostDecode/decodeBytesPerPixel) {
		t.Errorf("64 GB: got %+v", got)
	}
	if got := Share(0, 77); got != (Shares{Pixels: 77}) {
		t.Errorf("unknown: got %+v", got)
	}
}
