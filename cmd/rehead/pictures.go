package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// given is a picture that a command line names: a file, or data that came by stdin.
type given struct {
	path string
	data []byte
}

func (g given) read(lim picture.Limits) ([]byte, error) {
	if g.data != nil {
		return g.data, nil
	}
	return source.Read(g.path, lim)
}

// pictures hands every picture that the arguments name to do, one at a time: files, those in
// folders at any depth, those that lists (.txt, a path on each line) name, and for "-" the picture
// or the list at stdin. It returns the files in folders that are no pictures.
func (a *app) pictures(ctx context.Context, args []string, lim picture.Limits,
	do func(given) error) (problems []source.Problem, err error) {
	each := func(g given) error { return errors.Join(ctx.Err(), do(g)) }
	for _, arg := range args {
		info, failed := os.Stat(arg)
		switch {
		case arg == "-":
			err = a.fromStdin(lim, each)
		case failed == nil && info.IsDir():
			var left []source.Problem
			left, err = inFolder(arg, each)
			problems = append(problems, left...)
		case failed == nil && strings.EqualFold(filepath.Ext(arg), ".txt"):
			err = inList(arg, each)
		default:
			err = each(given{path: arg})
		}
		if err != nil {
			return problems, err
		}
	}
	return problems, nil
}

func inFolder(dir string, do func(given) error) ([]source.Problem, error) {
	w := source.NewWalker(dir, 0)
	n := 0
	err := w.Walk(dir, "", func(f source.File) error {
		n++
		return do(given{path: f.Path})
	})
	if err != nil {
		return w.Problems, err
	}
	if n == 0 {
		return w.Problems, fmt.Errorf("%s: no picture found (%d files left out): want JPEG, PNG, GIF, BMP, WebP or TIFF "+
			"files", dir, len(w.Problems))
	}
	return w.Problems, nil
}

func inList(path string, do func(given) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return pathsIn(path, f, do)
}

// pathsIn hands on the paths in r, one a line.
func pathsIn(name string, r io.Reader, do func(given) error) error {
	s, n := bufio.NewScanner(r), 0
	for line := 1; s.Scan(); line++ {
		path := strings.TrimSuffix(s.Text(), "\r")
		if line == 1 {
			path = strings.TrimPrefix(path, "\ufeff")
		}
		if path == "" {
			continue
		}
		if !utf8.ValidString(path) || strings.ContainsRune(path, 0) {
			return fmt.Errorf("%s: line %d is not text in UTF-8, want the path of a picture on each line", name, line)
		}
		n++
		if err := do(given{path: path}); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if n == 0 {
		return fmt.Errorf("%s: is empty, want a picture or the path of one on each line", name)
	}
	return nil
}

// fromStdin tells by the first bytes whether stdin is a picture or a list.
func (a *app) fromStdin(lim picture.Limits, do func(given) error) error {
	if a.stdin == nil {
		return errors.New("-: there is no stdin")
	}
	b := bufio.NewReader(a.stdin)
	head, err := b.Peek(picture.SniffLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("-: %w", err)
	}
	if _, ok := picture.Sniff(head); !ok && utf8.Valid(head[:max(0, len(head)-3)]) && !strings.ContainsRune(string(head), 0) {
		return pathsIn("-", b, do)
	}
	data, err := io.ReadAll(io.LimitReader(b, lim.Bytes()+1))
	if err == nil && int64(len(data)) > lim.Bytes() {
		err = &picture.TooLargeError{What: "bytes", Got: int64(len(data)), Limit: lim.Bytes()}
	}
	if err != nil {
		return fmt.Errorf("-: %w", err)
	}
	return do(given{path: "-", data: data})
}
