// Package files opens regular files and names contents by their SHA-256.
package files

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/c236555e/rehead/internal/safetensors"
)

// Open opens a regular file and returns its size in bytes; anything else is a *FormatError. What
// the path leads to is looked at first: to open a pipe that nobody writes to never ends.
func Open(path string) (*os.File, int64, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if err := checkRegular(path, stat); err != nil {
		return nil, 0, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if stat, err = file.Stat(); err == nil {
		err = checkRegular(path, stat) // it may be another by now
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, stat.Size(), nil
}

func checkRegular(path string, stat os.FileInfo) error {
	if stat.Mode().IsRegular() {
		return nil
	}
	return &safetensors.FormatError{File: path, Offset: -1, Reason: "is not a regular file: name the file itself"}
}

// SHA256 returns the SHA-256 of everything that r holds, in lower-case hexadecimal.
func SHA256(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(h, r, make([]byte, 1<<18)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// IsSHA256 reports whether s is a SHA-256 as the function of that name writes it.
func IsSHA256(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}
