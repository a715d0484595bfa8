package main

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/c236555e/rehead/internal/filelock"
)

// answersOf says which run a file of answers is of: all that decides its bytes beside the pictures.
type answersOf struct {
	Format    string `json:"format"`
	Model     string `json:"model"` // inception.Model.Digest
	Top       int    `json:"top"`
	MaxBytes  int64  `json:"max_bytes"`
	MaxPixels int64  `json:"max_pixels"`
	Explain   bool   `json:"explain,omitempty"`
	Maps      string `json:"maps,omitempty"` // --explain-dir
}

// differs says in words what of a run that was cut is not so now, "" for nothing.
func (was answersOf) differs(now answersOf) string {
	switch {
	case was.Format != now.Format:
		return fmt.Sprintf("--format %s, now %s", was.Format, cmp.Or(now.Format, "table"))
	case was.Model != now.Model:
		return fmt.Sprintf("another model (digest %.12s, now %.12s)", was.Model, now.Model)
	case was.Top != now.Top:
		return fmt.Sprintf("--top %d, now %d", was.Top, now.Top)
	case was.MaxBytes != now.MaxBytes:
		return fmt.Sprintf("--max-bytes %d, now %d", was.MaxBytes, now.MaxBytes)
	case was.MaxPixels != now.MaxPixels:
		return fmt.Sprintf("--max-pixels %d, now %d", was.MaxPixels, now.MaxPixels)
	case was.Explain != now.Explain:
		return fmt.Sprintf("--explain %t, now %t", was.Explain, now.Explain)
	case was.Maps != now.Maps:
		return fmt.Sprintf("--explain-dir %q, now %q", was.Maps, now.Maps)
	}
	return ""
}

// unfinished is the ending of the file that stands beside a file of answers until that is whole. It
// holds an answersOf, and is locked while a run writes answers.
const unfinished = ".unfinished"

// answerFile is a file of answers, a row a picture in the order of the pictures, which the next run
// goes on with when this one is cut, at whatever byte. Not safe for concurrent use.
type answerFile struct {
	*os.File
	path   string
	header string // the first row, "" for none
	unlock func() error

	rows  rows  // of the run that was cut, nil once each has met its picture
	whole int64 // length of the rows that have, in bytes
	met   int   // their number
}

// rows reads the rows of a file of answers. next returns what a row is of, why that picture failed
// ("" where it did not) and where the row ends; io.EOF where no whole row is left.
type rows interface {
	next() (image, failed string, end int64, err error)
}

// openAnswers begins the file, or goes on with it where the file beside it says that it is not
// finished. A finished file is written anew.
func openAnswers(path, header string, now answersOf) (_ *answerFile, err error) {
	unlock, err := filelock.TryLock(path + unfinished)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("--output: another run is writing %s: wait for it, or name another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	f := &answerFile{path: path, header: header, unlock: unlock}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("--output: %w", err), f.stop())
		}
	}()
	said, err := os.ReadFile(path + unfinished)
	if err != nil {
		return nil, err
	}
	var was answersOf
	if json.Unmarshal(said, &was) == nil { // else nothing was written yet
		if d := was.differs(now); d != "" {
			return nil, f.refuse("was begun with %s: finish it with the same", d)
		}
		if f.File, err = os.OpenFile(path, os.O_RDWR, 0); err == nil {
			return f, f.goOn(now.Format)
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return f, f.begin(now)
}

// refuse says why the file is not gone on with, and what else can be done.
func (f *answerFile) refuse(format string, args ...any) error {
	return fmt.Errorf("%s is not finished, and "+format+", delete it and %s to begin anew, or name another file",
		slices.Concat([]any{f.path}, args, []any{f.path + unfinished})...)
}

// begin makes the file empty, before the other one says that it is of this run.
func (f *answerFile) begin(now answersOf) (err error) {
	if f.File, err = os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666); err != nil {
		return errors.Join(err, os.Remove(f.path+unfinished))
	}
	said, err := json.Marshal(now)
	if err == nil {
		err = os.WriteFile(f.path+unfinished, append(said, '\n'), 0o644)
	}
	if err == nil {
		_, err = f.WriteString(f.header)
	}
	return err
}

// goOn holds the first row against what it is to be.
func (f *answerFile) goOn(format string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.path)
	}
	first := make([]byte, len(f.header))
	n, err := f.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !strings.HasPrefix(f.header, string(first[:n])) {
		return f.refuse("does not begin with the columns %s: restore it", strings.TrimSpace(f.header))
	}
	if n < len(f.header) { // cut in the middle of it
		if err := f.cut(); err != nil {
			return err
		}
		_, err := f.WriteString(f.header)
		return err
	}
	f.whole = int64(n)
	in := io.NewSectionReader(f, f.whole, info.Size()-f.whole)
	if format == "csv" {
		f.rows = newCSVRows(in, f.whole, strings.Count(f.header, ",")+1)
	} else {
		f.rows = &jsonRows{in: bufio.NewReaderSize(in, 1<<16), end: f.whole}
	}
	return nil
}

// cut leaves the whole rows alone, to go on behind them.
func (f *answerFile) cut() error {
	if err := f.Truncate(f.whole); err != nil {
		return err
	}
	_, err := f.Seek(f.whole, io.SeekStart)
	return err
}

// answered tells whether an earlier run has answered for this picture, which must be the next of
// all, and why it could not.
func (f *answerFile) answered(path string) (yes bool, failed string, err error) {
	if f.rows == nil {
		return false, "", nil
	}
	image, failed, end, err := f.rows.next()
	switch {
	case errors.Is(err, io.EOF):
		f.rows = nil
		return false, "", f.cut()
	case err != nil:
		return false, "", f.refuse("its row %d, behind byte %d, is none of answers (%w): restore it", f.met+1, f.whole, err)
	case image != path && image != f.asWritten(path):
		return false, "", f.refuse("its row %d is of %s, where %s comes now: give the pictures that it was begun with",
			f.met+1, image, path)
	}
	f.met, f.whole = f.met+1, end
	return true, failed, nil
}

// asWritten is what reading gives back of a path that was written.
func (f *answerFile) asWritten(path string) string {
	if f.header != "" {
		return strings.ReplaceAll(path, "\r\n", "\n") // as encoding/csv reads
	}
	if utf8.ValidString(path) {
		return path
	}
	text, err := json.Marshal(path)
	if err == nil {
		err = json.Unmarshal(text, &path)
	}
	if err != nil {
		return ""
	}
	return path
}

// finish ends a file that has all answers; put is what is done with it before it is said to be whole.
func (f *answerFile) finish(put func() error) error {
	if f.rows != nil { // no picture came that is not answered
		image, _, _, err := f.rows.next()
		if !errors.Is(err, io.EOF) {
			return errors.Join(f.refuse("has %d rows of pictures that come now, and then one of %q: give the pictures that it "+
				"was begun with", f.met, image), f.stop())
		}
		if err := f.cut(); err != nil {
			return errors.Join(err, f.stop())
		}
	}
	err := f.Close()
	f.File = nil
	if err == nil {
		err = put()
	}
	if err == nil {
		err = os.Remove(f.path + unfinished)
	}
	return errors.Join(err, f.stop())
}

// stop leaves the file to the next run.
func (f *answerFile) stop() (err error) {
	if f.File != nil {
		err = f.Close()
	}
	return errors.Join(err, f.unlock())
}

// csvRows are the rows of a CSV file behind its header.
type csvRows struct {
	in     *csv.Reader
	from   *io.SectionReader
	offset int64 // of from in the file
}

func newCSVRows(from *io.SectionReader, offset int64, columns int) *csvRows {
	r := &csvRows{in: csv.NewReader(bufio.NewReaderSize(from, 1<<16)), from: from, offset: offset}
	r.in.FieldsPerRecord, r.in.ReuseRecord = columns, true
	return r
}

func (r *csvRows) next() (image, failed string, end int64, err error) {
	cells, err := r.in.Read()
	if errors.Is(err, io.EOF) {
		return "", "", 0, io.EOF
	}
	end = r.in.InputOffset()
	if end == r.from.Size() { // the last one may have been cut
		last := []byte{0}
		if _, err := r.from.ReadAt(last, end-1); err != nil && !errors.Is(err, io.EOF) {
			return "", "", 0, err
		}
		if last[0] != '\n' || errors.Is(err, csv.ErrQuote) {
			return "", "", 0, io.EOF
		}
	}
	if err != nil {
		return "", "", 0, err
	}
	return cells[0], slices.Clone(cells)[len(cells)-1], r.offset + end, nil
}

// jsonRows are JSON objects, one a line.
type jsonRows struct {
	in  *bufio.Reader
	end int64
}

func (r *jsonRows) next() (image, failed string, end int64, err error) {
	line, err := r.in.ReadBytes('\n')
	if err != nil {
		return "", "", 0, err // io.EOF, too, behind a part of a line
	}
	var row struct {
		Image *string `json:"image"`
		Error string  `json:"error"`
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return "", "", 0, err
	}
	if row.Image == nil {
		return "", "", 0, errors.New("no image in it")
	}
	r.end += int64(len(line))
	return *row.Image, row.Error, r.end, nil
}
