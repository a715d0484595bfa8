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
	"time"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// given is a picture that a command line names: a file, of an archive too, or data that came by a
// pipe.
type given struct {
	source.File
	data []byte
}

func (g given) read(lim picture.Limits) ([]byte, error) {
	if g.data != nil {
		return g.data, nil
	}
	return g.Read(lim)
}

// A group is what came within groupPause, groupPictures at most.
const (
	groupPictures = 1024
	groupPause    = 10 * time.Millisecond
)

// inGroups hands every picture that the arguments name to do, in their order and several at a time,
// so that little is held however many there are: see pictures. Those that come without a pause come
// together, one that a slow pipe names comes at once. Looking for more goes on beside do.
func (a *app) inGroups(ctx context.Context, args []string, lim picture.Limits,
	do func([]given) error) ([]source.Problem, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var problems []source.Problem
	var failed error // both are read once found is closed: a read of a pipe may outlast ctx
	found := make(chan given, groupPictures)
	go func() {
		defer close(found)
		problems, failed = a.pictures(ctx, args, lim, func(g given) error {
			select {
			case found <- g:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	group := make([]given, 0, groupPictures)
	for more := true; more; {
		if group, more = gather(ctx, found, group[:0]); ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(group) > 0 {
			if err := do(group); err != nil {
				return nil, err
			}
		}
	}
	return problems, failed
}

// gather returns the next group, and whether there may be another.
func gather(ctx context.Context, found <-chan given, group []given) (_ []given, more bool) {
	var pause <-chan time.Time
	for len(group) < groupPictures {
		select {
		case g, ok := <-found:
			if !ok {
				return group, false
			}
			if group = append(group, g); pause == nil {
				pause = time.After(groupPause)
			}
		case <-pause:
			return group, true
		case <-ctx.Done():
			return group, false
		}
	}
	return group, true
}

// pictures hands every picture that the arguments name to do, one at a time: files, those in
// folders and archives at any depth, those that lists (.txt, a path on each line) name, and for "-"
// and for a pipe the picture or the list that comes there. It returns the files in folders and
// archives that are no pictures.
func (a *app) pictures(ctx context.Context, args []string, lim picture.Limits,
	do func(given) error) (problems []source.Problem, err error) {
	each := func(g given) error { return errors.Join(ctx.Err(), do(g)) }
	for _, arg := range args {
		var left []source.Problem
		if arg == "-" {
			err = a.fromStdin(lim, each)
		} else {
			left, err = a.inArgument(arg, lim, each)
		}
		if problems = append(problems, left...); err != nil {
			return problems, err
		}
	}
	return problems, nil
}

// inArgument hands on what an argument names.
func (a *app) inArgument(arg string, lim picture.Limits, do func(given) error) ([]source.Problem, error) {
	store, root, err := a.cloud.addresses().Open(arg)
	if err != nil {
		return nil, err
	}
	file := source.File{Path: root, Store: store}
	info, err := store.Stat(root)
	switch _, packed := store.(*source.Archive); {
	case err != nil: // reading it says so
	case info.IsDir():
		return inFolder(file, do)
	case packed:
	case strings.EqualFold(filepath.Ext(arg), ".txt"):
		return nil, a.inList(file, do)
	case info.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0:
		return nil, a.fromPipe(arg, lim, do)
	}
	return nil, do(given{File: file})
}

func inFolder(dir source.File, do func(given) error) ([]source.Problem, error) {
	w := source.NewWalker(dir.Path, 0)
	w.Store = dir.Store
	n := 0
	err := w.Walk(dir.Path, "", func(f source.File) error {
		n++
		return do(given{File: f})
	})
	if err != nil {
		return w.Problems, err
	}
	if n == 0 {
		return w.Problems, fmt.Errorf("%s: no picture found (%d files left out): want JPEG, PNG, GIF, BMP, WebP or TIFF "+
			"files", dir.Path, len(w.Problems))
	}
	return w.Problems, nil
}

func (a *app) inList(list source.File, do func(given) error) (err error) {
	f, err := list.Store.Open(list.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return a.pathsIn(list.Path, f, do)
}

// pathsIn hands on the paths in r, one a line; addresses are of one look at their buckets.
func (a *app) pathsIn(name string, r io.Reader, do func(given) error) error {
	s, n := bufio.NewScanner(r), 0
	var far source.Store
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
		file := source.File{Path: path}
		if inBucket(path) {
			if far == nil {
				store, err := a.cloud.store()
				if err != nil {
					return err
				}
				far = store
			}
			file.Store = far
		}
		if err := do(given{File: file}); err != nil {
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

func (a *app) fromStdin(lim picture.Limits, do func(given) error) error {
	if a.stdin == nil {
		return errors.New("-: there is no stdin")
	}
	return a.fromStream("-", a.stdin, lim, do)
}

func (a *app) fromPipe(path string, lim picture.Limits, do func(given) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return a.fromStream(path, f, lim, do)
}

// fromStream tells by the first bytes whether r is a picture or a list.
func (a *app) fromStream(name string, r io.Reader, lim picture.Limits, do func(given) error) error {
	b := bufio.NewReader(r)
	head, err := b.Peek(picture.SniffLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if kind := source.ArchiveKind(head); kind != "" {
		return fmt.Errorf("%s: got an archive (%s) through a pipe, want a picture or a list of paths: save it as a file and "+
			"name that, which is read where it lies", name, kind)
	}
	if _, ok := picture.Sniff(head); !ok && utf8.Valid(head[:max(0, len(head)-3)]) &&
		!strings.ContainsRune(string(head), 0) {
		return a.pathsIn(name, b, do)
	}
	data, err := io.ReadAll(io.LimitReader(b, lim.Bytes()+1))
	if err == nil && int64(len(data)) > lim.Bytes() {
		err = &picture.TooLargeError{What: "bytes", Got: int64(len(data)), Limit: lim.Bytes()}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return do(given{File: source.File{Path: name}, data: data})
}

// listPictures are the pictures that the arguments name, as pictures finds them, where all of them
// have to be known first; problems are the files in folders and archives that are none.
func (a *app) listPictures(ctx context.Context, args []string) (files []source.File, problems []source.Problem,
	err error) {
	problems, err = a.pictures(ctx, args, picture.Limits{}, func(g given) error {
		if g.data != nil {
			return fmt.Errorf("%s: got a picture through a pipe, want files, folders, archives or lists of paths", g.Path)
		}
		if g.Store == nil { // a list named it
			g.Store = source.Disk{}
		}
		if _, err := g.Store.Stat(g.Path); err != nil {
			return err
		}
		files = append(files, g.File)
		return nil
	})
	return files, problems, err
}
