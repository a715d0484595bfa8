package recordio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
)

// maxRecord bounds a record, in bytes: a picture and its header.
const maxRecord = picture.DefaultMaxBytes + 1<<16

// Extract writes the pictures of RecordIO streams below dir, and beside them a manifest that lists
// them with their classes: its path is returned. A stream holds image records, as MXNet's im2rec
// packs them, or by turns a picture and its class in decimal digits, as the service sends an
// augmented manifest with the attributes source-ref and class. Streams are opened in the order of
// their names, one after the other. A damaged record is an error that names the stream and the
// place.
//
// Opening a pipe waits for its writer, which need not come: Extract then returns when ctx ends.
func Extract(ctx context.Context, streams []string, dir string) (list string, err error) {
	done := make(chan error, 1)
	path := filepath.Join(dir, "pictures.lst")
	go func() { done <- extract(ctx, streams, dir, path) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("sagemaker: RecordIO: %w", err)
	}
	return path, nil
}

func extract(ctx context.Context, streams []string, dir, list string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(list)
	if err != nil {
		return err
	}
	x := &extraction{dir: dir, list: bufio.NewWriter(f)}
	defer func() { err = errors.Join(err, x.list.Flush(), f.Close()) }()
	for _, path := range slices.Sorted(slices.Values(streams)) {
		if err := x.stream(ctx, path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if x.pictures == 0 {
		return fmt.Errorf("%s: no picture in it", strings.Join(streams, ", "))
	}
	return nil
}

type extraction struct {
	dir      string
	list     *bufio.Writer
	pictures int
}

func (x *extraction) stream(ctx context.Context, path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := newRecordReader(f, maxRecord)
	for ctx.Err() == nil {
		record, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		class, pic := 0, record
		if _, bare := picture.Sniff(record); bare {
			if class, err = nextClass(r); err != nil {
				return err
			}
		} else if class, pic, err = unpackImage(record); err != nil {
			return fmt.Errorf("picture %d: %w", x.pictures, err)
		}
		if err := x.add(class, pic); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// nextClass reads the record that follows a picture of an augmented manifest.
func nextClass(r *recordReader) (int, error) {
	record, err := r.next()
	if errors.Is(err, io.EOF) {
		return 0, errors.New("the last picture has no class after it: want AttributeNames of source-ref and " +
			"a class, in this order")
	}
	if err != nil {
		return 0, err
	}
	text := strings.Trim(strings.TrimSpace(string(record)), `"`)
	class, err := strconv.Atoi(text)
	if err != nil || class < 0 {
		return 0, fmt.Errorf("got %.40q after a picture, want its class, a whole number from 0: want AttributeNames of "+
			"source-ref and a class, in this order", text)
	}
	return class, nil
}

// add writes one picture. Whether it can be read is found out later, as for any file.
func (x *extraction) add(class int, pic []byte) error {
	name := fmt.Sprintf("%03d/%09d", x.pictures/1000, x.pictures)
	path := filepath.Join(x.dir, filepath.FromSlash(name))
	if x.pictures%1000 == 0 {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path, pic, 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintf(x.list, "%d\t%d\t%s\n", x.pictures, class, name)
	x.pictures++
	return err
}
