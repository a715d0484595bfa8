package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/pictures"
)

// Part is a run of the list of pictures that becomes one shard. Its name is made from the pictures'
// paths, labels, lengths and times, and of all that decides what a shard holds of them.
type Part struct {
	List    string // file with a line a picture
	Offset  int64  // of the first line
	Bytes   int    // of the lines
	Number  int    // from 0
	Count   int    // of pictures
	Several bool   // a picture may have several labels
	Name    string
}

// listing is the list of all pictures, cut into parts.
type listing struct {
	text     []byte
	parts    []Part
	pictures int
	left     []source.Problem // files that are no pictures
}

// list finds the pictures of the job. salt is what else the shards depend on.
func (j *Job) list(salt string) (*listing, error) {
	l := &listing{}
	var rows []pictures.Row
	several := false
	for _, arg := range j.Sources {
		store, root, err := source.Open(arg)
		if err != nil {
			return nil, err
		}
		found, err := pictures.In(store, root, j.open)
		if err != nil {
			return nil, err
		}
		rows, l.left = append(rows, found.Rows...), append(l.left, found.Left...)
		several = several || found.MultiLabel
	}
	source.SortProblems(l.left)
	l.pictures = len(rows)
	if l.pictures == 0 {
		return nil, fmt.Errorf("no picture was found in %s", strings.Join(j.Sources, ", "))
	}
	for some := range slices.Chunk(rows, j.Rows) {
		at := len(l.text)
		for _, r := range some {
			l.text = appendLine(l.text, r)
		}
		sum := sha256.New()
		fmt.Fprintf(sum, "%s\n%t\n", salt, several)
		sum.Write(l.text[at:])
		l.parts = append(l.parts, Part{Offset: int64(at), Bytes: len(l.text) - at, Number: len(l.parts), Count: len(some),
			Several: several, Name: fmt.Sprintf("%s%05d-%s", partPrefix, len(l.parts), hex.EncodeToString(sum.Sum(nil)[:8]))})
	}
	all := sha256.Sum256(l.text)
	for i := range l.parts {
		l.parts[i].List = fmt.Sprintf("list-%s.tsv", hex.EncodeToString(all[:8]))
	}
	return l, nil
}

// appendLine adds a picture to a list: its path, labels, part and version, quoted as Go quotes, which
// keeps every byte of a name.
func appendLine(to []byte, r pictures.Row) []byte {
	part := ""
	if r.Given {
		part = strconv.Itoa(int(r.Part))
	}
	to = append(strconv.AppendQuote(to, r.Path), '\t')
	for i, l := range r.Labels {
		if i > 0 {
			to = append(to, ' ')
		}
		to = strconv.AppendQuote(to, l)
	}
	return append(append(append(append(append(to, '\t'), part...), '\t'), version(r.File)...), '\n')
}

// version is another whenever a file is: its ETag, quoted, length and MD5 where it lies in a bucket, else its
// length and time; "" where there is none, of which who reads the picture says why.
func version(f source.File) string {
	if s, ok := f.Store.(*bucket.Store); ok {
		if o, err := s.Object(f.Path); err == nil {
			return fmt.Sprintf("%q %d %s", o.ETag, o.Size, o.MD5)
		}
		return ""
	}
	if info, err := store(f).Stat(f.Path); err == nil {
		return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	}
	return ""
}

func store(f source.File) source.Store {
	if f.Store == nil {
		return source.Disk{}
	}
	return f.Store
}

// listed is a line of the list.
type listed struct {
	pictures.Row
	object *bucket.Object // what is known of it without a request, where it lies in a bucket
}

// rows reads the part's lines back; where each lies is left to an opener.
func (p *Part) rows(at place) ([]listed, error) {
	text, err := at.readRange(p.List, p.Offset, p.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the list of pictures: %w", err)
	}
	rows := make([]listed, 0, p.Count)
	for line := range bytes.Lines(text) {
		r, err := parseLine(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return nil, fmt.Errorf("the list of pictures %s: line %d behind byte %d: %w", p.List, len(rows), p.Offset, err)
		}
		rows = append(rows, r)
	}
	if len(rows) != p.Count {
		return nil, fmt.Errorf("the list of pictures %s: got %d lines behind byte %d, want %d", p.List, len(rows), p.Offset,
			p.Count)
	}
	return rows, nil
}

func parseLine(line string) (r listed, err error) {
	cells := strings.Split(line, "\t") // quoted ones have no tab
	if len(cells) != 4 {
		return r, fmt.Errorf("got %d cells, want 4", len(cells))
	}
	if r.Path, err = strconv.Unquote(cells[0]); err != nil {
		return r, err
	}
	for rest := cells[1]; rest != ""; rest = strings.TrimPrefix(rest, " ") {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return r, err
		}
		label, err := strconv.Unquote(quoted)
		if err != nil {
			return r, err
		}
		r.Labels, rest = append(r.Labels, label), rest[len(quoted):]
	}
	if cells[2] != "" {
		part, err := strconv.Atoi(cells[2])
		if err != nil || part < 0 || part > int(dataset.Test) {
			return r, fmt.Errorf("got part %q", cells[2])
		}
		r.Part, r.Given = dataset.Split(part), true
	}
	if quoted, err := strconv.QuotedPrefix(cells[3]); err == nil {
		r.object = &bucket.Object{}
		size, sum, _ := strings.Cut(strings.TrimPrefix(cells[3][len(quoted):], " "), " ")
		r.object.MD5 = sum
		if r.object.ETag, err = strconv.Unquote(quoted); err == nil {
			r.object.Size, err = strconv.ParseInt(size, 10, 64)
		}
		if err != nil {
			return r, fmt.Errorf("got version %q", cells[3])
		}
	}
	return r, nil
}

// Dead is a picture that became no row, and why.
type Dead struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// record is what became of a part, or of the match: the pictures that it met. It stands beside the
// shard and says that this is whole.
type record struct {
	Shard    string `json:"shard,omitempty"` // file name; "" without rows
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256,omitempty"`
	Pictures int    `json:"pictures"`
	Rows     int    `json:"rows"`
	Dead     []Dead `json:"dead,omitempty"`
}

// save writes the record, which appears whole.
func (r *record) save(at place, name string) error {
	return at.write(name, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r); err != nil {
			return err
		}
		return out.Flush()
	})
}

// load reads a record back.
func load(at place, name string) (*record, error) {
	data, err := at.read(name)
	if err != nil {
		return nil, err
	}
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}
