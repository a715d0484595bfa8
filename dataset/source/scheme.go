package source

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/c236555e/rehead/internal/tarfile"
)

// An AddressFunc opens an address, such as s3://bucket/flowers: the store that it leads into, and its
// path there.
type AddressFunc func(address string) (s Store, root string, err error)

// Addresses say what opens addresses, by scheme: "s3"; "" is optional and opens paths, which the disk
// and its archives do otherwise. The nil map stands for the registered schemes, those of Register.
type Addresses map[string]AddressFunc

// schemes are the registered ones, never changed in place.
var schemes atomic.Pointer[Addresses]

// Register makes Open follow addresses of a scheme, such as "s3", for the whole process. Programs
// call it as they start, though it is safe at any time; without it such addresses are an error that
// says how to fetch what they name.
func Register(scheme string, open AddressFunc) error {
	if scheme == "" || scheme != strings.ToLower(scheme) || strings.ContainsAny(scheme, `:/\`) || open == nil {
		return fmt.Errorf("dataset: register scheme %q: want a word in small letters and what opens its addresses", scheme)
	}
	for {
		before := schemes.Load()
		after := Addresses{}
		if before != nil {
			maps.Copy(after, *before)
		}
		if after[scheme] != nil {
			return fmt.Errorf("dataset: register scheme %q: is registered already", scheme)
		}
		after[scheme] = open
		if schemes.CompareAndSwap(before, &after) {
			return nil
		}
	}
}

// Scheme is the scheme of an address, in small letters: "s3" of s3://bucket/flowers; "" for paths.
func Scheme(path string) string {
	scheme, _, ok := strings.Cut(path, "://")
	if !ok || strings.ContainsAny(scheme, `/\`) {
		return ""
	}
	return strings.ToLower(scheme)
}

// opener is what opens an address; nil for paths and for schemes that nothing opens.
func (a Addresses) opener(path string) AddressFunc {
	if a == nil {
		if all := schemes.Load(); all != nil {
			a = *all
		}
	}
	return a[Scheme(path)]
}

// Openable tells whether a path is an address that Open follows.
func Openable(path string) bool { return Addresses(nil).Openable(path) }

// Openable tells whether a path is an address that Open follows.
func (a Addresses) Openable(path string) bool { return Scheme(path) != "" && a.opener(path) != nil }

// openAddress is Open of an address. An archive is fetched whole into a temporary file, which is
// gone when the process ends: one that is packed as a whole can only be read from its beginning on,
// and the list of a .zip is at its end.
func openAddress(address string, open AddressFunc) (Store, string, error) {
	outer := address
	if i := strings.Index(address+"/", within+"/"); i >= 0 {
		outer = address[:i]
	}
	s, root, err := open(outer)
	if err != nil {
		return nil, "", err
	}
	info, err := s.Stat(root)
	if err != nil || !info.Mode().IsRegular() {
		return s, root, nil //nolint:nilerr // who reads it says what is wrong
	}
	if known, ok := s.(sniffer); ok {
		if _, is, known := known.Sniff(root); known && is {
			return s, root, nil
		}
	}
	head, err := firstBytes(s, root, tarfile.Block)
	if err != nil || ArchiveKind(head) == "" {
		return s, root, err
	}
	f, err := fetched(s, root)
	if err != nil {
		return nil, "", err
	}
	a, err := archiveIn(root, f, info.Size())
	if err != nil {
		return nil, "", err
	}
	if a == nil {
		return nil, "", fmt.Errorf("%s: is not what it was a moment ago: try again", address)
	}
	if outer != address {
		return a, a.Root() + address[len(outer)+len(within):], nil
	}
	return a, a.Root(), nil
}

// firstBytes are the first n bytes of a file, or all that it has.
func firstBytes(s Store, path string, n int64) (head []byte, err error) {
	var r io.ReadCloser
	if far, ok := s.(Far); ok {
		info, err := far.Stat(path)
		if err != nil {
			return nil, err
		}
		r, err = far.OpenRange(path, 0, min(n, info.Size()))
		if err != nil {
			return nil, err
		}
	} else if r, err = s.Open(path); err != nil {
		return nil, err
	}
	head, err = io.ReadAll(io.LimitReader(r, n))
	return head, errors.Join(err, r.Close())
}

// fetched is a file of a store in a temporary one, at its beginning. Where the system removes open
// files nothing is left of it, however the process ends.
func fetched(s Store, path string) (_ *os.File, err error) {
	r, err := s.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	f, err := os.CreateTemp("", "rehead-*")
	if err != nil {
		return nil, fmt.Errorf("%s: fetch: %w", path, err)
	}
	_ = os.Remove(f.Name()) // refused by systems that keep open files
	_, err = io.Copy(f, r)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: fetch: %w", path, err), f.Close())
	}
	return f, nil
}

// split parts an address into what no path operation may touch, and the rest.
func split(path string) (scheme, rest string) {
	if s := Scheme(path); s != "" {
		return path[:len(s)+len("://")], path[len(s)+len("://"):]
	}
	return "", path
}

// Clean is filepath.Clean, for addresses too.
func Clean(path string) string {
	scheme, rest := split(path)
	if scheme == "" {
		return filepath.Clean(path)
	}
	return scheme + strings.TrimSuffix(filepath.ToSlash(filepath.Clean(rest)), "/")
}

// Dir is filepath.Dir, for addresses too: that of s3://bucket is itself.
func Dir(path string) string {
	scheme, rest := split(path)
	if scheme == "" {
		return filepath.Dir(path)
	}
	if dir := filepath.ToSlash(filepath.Dir(rest)); dir != "." {
		return scheme + dir
	}
	return scheme + rest
}

// Join is filepath.Join, for a first element that is an address too.
func Join(root string, below ...string) string {
	scheme, rest := split(root)
	path := filepath.Join(append([]string{rest}, below...)...)
	if scheme == "" {
		return path
	}
	return scheme + filepath.ToSlash(path)
}

// IsAbs is filepath.IsAbs; addresses are absolute.
func IsAbs(path string) bool { return Scheme(path) != "" || filepath.IsAbs(path) }

// errNoRange is the error of stores that give no parts of files.
var errNoRange = errors.New("parts of its files are not to be had")
