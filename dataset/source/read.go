package source

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/c236555e/rehead/dataset/picture"
)

// Read reads a regular file of at most lim.MaxBytes bytes. A folder, device or pipe is an
// error, a larger file a *TooLargeError.
func Read(path string, lim picture.Limits) (data []byte, err error) {
	info, err := os.Stat(path) // before opening: opening a pipe would wait for its writer
	if err != nil {
		return nil, fmt.Errorf("dataset: read picture: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("dataset: read picture %q: got a %s, want a regular file", path, Kind(info.Mode()))
	}
	limit := lim.Bytes()
	if info.Size() > limit {
		return nil, fmt.Errorf("%q: %w", path, &picture.TooLargeError{What: "bytes", Got: info.Size(), Limit: limit})
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: read picture: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data = make([]byte, 0, info.Size()+1)
	for int64(len(data)) <= limit {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, fmt.Errorf("dataset: read picture: %w", err)
		}
		if len(data) == cap(data) { // the file grew since it was measured
			data = append(data, 0)[:len(data)]
		}
	}
	return nil, fmt.Errorf("%q: %w", path, &picture.TooLargeError{What: "bytes", Got: int64(len(data)), Limit: limit})
}

// Kind names what a file is that is not regular: "folder", "pipe"...
func Kind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&os.ModeNamedPipe != 0:
		return "pipe"
	case m&os.ModeSocket != 0:
		return "socket"
	case m&os.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
