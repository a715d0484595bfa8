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

// Open opens a regular file and returns its size in bytes; anything else is a *FormatError.
func Open(path string) (*os.File, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	stat, err := file.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = &safetensors.FormatError{File: path, Offset: -1, Reason: "is not a regular file: name the file itself"}
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, stat.Size(), nil
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
