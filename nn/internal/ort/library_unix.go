//go:build (linux || darwin) && (amd64 || arm64)

package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A Library is ONNX Runtime, opened. It is never closed: its environment and its threads are the
// process's.
type Library struct {
	getAPI  func(uint32) *[calls]uintptr
	api     *[calls]uintptr
	message func(status uintptr) string
	path    string
	version string
	env     uintptr
}

// base is OrtApiBase.
type base struct{ getAPI, getVersion uintptr }

// Names are what the system's loader is asked for where no path is given.
func Names() []string {
	if runtime.GOOS == "darwin" {
		return []string{"libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.1"}
}

const howToGet = `"pip install onnxruntime" brings it (onnxruntime-gpu with CUDA and TensorRT): set ORT_DYLIB_PATH to its ` +
	`onnxruntime/capi folder, or use --device cpu`

// Open opens the library at path, a file or the folder that has it; "" lets the system's loader look
// for it by [Names].
func Open(path string) (*Library, error) { return open(path, oldest, newest) }

// open is Open for versions of the API from oldest to newest.
func open(path string, oldest, newest int) (*Library, error) {
	paths := Names()
	if path != "" {
		file, err := inFolder(path)
		if err != nil {
			return nil, err
		}
		paths = []string{file}
	}
	var missing []string
	for _, path := range paths {
		lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			missing = append(missing, err.Error())
			continue
		}
		return load(lib, path, oldest, newest)
	}
	return nil, fmt.Errorf("onnxruntime: its library was not found: %s; %s", strings.Join(missing, ", "), howToGet)
}

// inFolder is the library in a folder, or path itself where it is none.
func inFolder(path string) (string, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, nil // which the loader says more about
	}
	for _, name := range Names() {
		found, _ := filepath.Glob(filepath.Join(path, name+"*")) // the pattern is well formed
		if len(found) > 0 {
			return slices.Max(found), nil
		}
	}
	return "", fmt.Errorf("onnxruntime: the folder %s has no %s; %s", path, strings.Join(Names(), " or "), howToGet)
}

// load asks the library for its version and its table.
func load(lib uintptr, path string, oldest, newest int) (*Library, error) {
	symbol, err := purego.Dlsym(lib, "OrtGetApiBase")
	if err != nil {
		return nil, fmt.Errorf("onnxruntime: %s is not ONNX Runtime's library: it has no OrtGetApiBase; %s", path, howToGet)
	}
	var getBase func() *base
	purego.RegisterFunc(&getBase, symbol)
	b := getBase()
	var version func() string
	purego.RegisterFunc(&version, b.getVersion)
	l := &Library{path: path, version: version()}
	has, err := apiOf(l.version)
	if err != nil {
		return nil, fmt.Errorf("onnxruntime: %s: %w", path, err)
	}
	if has < oldest {
		return nil, fmt.Errorf("onnxruntime: %s is of version %s, want 1.%d or later; pip install --upgrade onnxruntime "+
			"(or onnxruntime-gpu)", path, l.version, oldest)
	}
	purego.RegisterFunc(&l.getAPI, b.getAPI)
	if l.api, err = l.table(min(has, newest)); err != nil {
		return nil, err
	}
	purego.RegisterFunc(&l.message, l.api[getErrorMessage])
	const onlyFatal = 4 // what fails is told by its status, and not printed besides
	name := cString("rehead")
	return l, l.call(createEnv, onlyFatal, uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&l.env)))
}

// table asks for the functions of a version of the API.
func (l *Library) table(version int) (*[calls]uintptr, error) {
	if api := l.getAPI(uint32(version)); api != nil {
		return api, nil
	}
	return nil, fmt.Errorf("onnxruntime: %s, of version %s, does not have version %d of the API; %s", l.path, l.version,
		version, howToGet)
}

// apiOf is the newest version of the API that a release, such as "1.32.0", has.
func apiOf(version string) (int, error) {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	if major != "1" || err != nil {
		return 0, fmt.Errorf("the library says that its version is %q, want 1 and a number", version)
	}
	return n, nil
}

// Version is the library's release, such as "1.32.0".
func (l *Library) Version() string { return l.version }

// Path is the file that was opened, or the name by which the loader found it.
func (l *Library) Path() string { return l.path }

// call calls the library and checks the status.
//
//go:uintptrescapes
func (l *Library) call(c call, args ...uintptr) error {
	status, _, _ := purego.SyscallN(l.api[c], args...)
	if status == 0 {
		return nil
	}
	code, _, _ := purego.SyscallN(l.api[getErrorCode], status)
	err := &Error{Call: names[c], Code: int(int32(code)), Text: l.message(status), Version: l.version}
	l.release(releaseStatus, &status)
	return err
}

// release gives a handle back, if there is one, and forgets it.
func (l *Library) release(c call, handle *uintptr) {
	if *handle != 0 {
		purego.SyscallN(l.api[c], *handle)
		*handle = 0
	}
}

// Has reports whether the library was built with the provider.
func (l *Library) Has(p Provider) (bool, error) {
	var list unsafe.Pointer
	var n int32
	if err := l.call(getAvailableProviders, uintptr(unsafe.Pointer(&list)), uintptr(unsafe.Pointer(&n))); err != nil {
		return false, err
	}
	found := false
	for _, name := range unsafe.Slice((**byte)(list), n) {
		found = found || text(name) == p.library()
	}
	return found, l.call(releaseAvailableProviders, uintptr(list), uintptr(n))
}

// text copies a string of C's.
func text(p *byte) string {
	var b strings.Builder
	for at := unsafe.Pointer(p); *(*byte)(at) != 0; at = unsafe.Add(at, 1) {
		b.WriteByte(*(*byte)(at))
	}
	return b.String()
}
