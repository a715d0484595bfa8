package recordio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// part is one part of a record with its flag.
func part(flag uint32, data []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, recordMagic)
	out = binary.LittleEndian.AppendUint32(out, flag<<29|uint32(len(data)))
	out = append(out, data...)
	return append(out, make([]byte, -len(data)&3)...)
}

// pack writes data as MXNet does: cut wherever the magic number stands at a place that four
// divides.
func pack(data []byte) []byte {
	magic := binary.LittleEndian.AppendUint32(nil, recordMagic)
	var cuts []int
	for at := 0; at+4 <= len(data); at += 4 {
		if bytes.Equal(data[at:at+4], magic) {
			cuts = append(cuts, at)
		}
	}
	if len(cuts) == 0 {
		return part(recordWhole, data)
	}
	var out []byte
	from, flag := 0, uint32(recordFirst)
	for _, at := range cuts {
		out = append(out, part(flag, data[from:at])...)
		from, flag = at+4, recordMiddle
	}
	return append(out, part(recordLast, data[from:])...)
}

// image is an image record: labels nil means the header's own.
func image(class float32, labels []float32, picture []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(labels)))
	out = binary.LittleEndian.AppendUint32(out, math.Float32bits(class))
	out = append(out, make([]byte, 16)...)
	for _, l := range labels {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(l))
	}
	return append(out, picture...)
}

// The format byte by byte: a whole record of five bytes, then one that is nothing but the magic
// number, which leaves two empty parts.
func TestRecordsByteByByte(t *testing.T) {
	stream := []byte("\x0a\x23\xd7\xce\x05\x00\x00\x00hello\x00\x00\x00" +
		"\x0a\x23\xd7\xce\x00\x00\x00\x20" + "\x0a\x23\xd7\xce\x00\x00\x00\x60")
	r := newRecordReader(bytes.NewReader(stream), 100)
	for _, want := range []string{"hello", "\x0a\x23\xd7\xce"} {
		if got, err := r.next(); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	magic := binary.LittleEndian.AppendUint32(nil, recordMagic)
	records := [][]byte{{}, []byte("a"), []byte("four"), bytes.Repeat([]byte("x"), 3<<20), magic,
		append(append([]byte("1234"), magic...), "5"...), append(append([]byte("odd"), magic...), magic...),
		bytes.Repeat(magic, 5)}
	var stream []byte
	for _, r := range records {
		stream = append(stream, pack(r)...)
	}
	r := newRecordReader(bytes.NewReader(stream), 4<<20)
	for i, want := range records {
		if got, err := r.next(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("record %d: got %d bytes, %v; want %d", i, len(got), err, len(want))
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	whole := part(recordWhole, []byte("hello"))
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"no RecordIO":        {[]byte("\xff\xd8\xff\xe0\x00\x10JFIF"), "want RecordIO's"},
		"cut in the header":  {whole[:6], "ends in the middle"},
		"cut in the data":    {whole[:10], "ends in the middle"},
		"cut in the padding": {whole[:14], "ends in the middle"},
		"too long":           {part(recordWhole, make([]byte, 101)), "more than 100 bytes"},
		"last without first": {part(recordLast, []byte("x")), "flag 3"},
		"first, then whole":  {append(part(recordFirst, []byte("x")), whole...), "flag 0"},
		"no such flag":       {part(5, []byte("x")), "flag 5"},
		"first, then end":    {part(recordFirst, []byte("x")), "ends in the middle"},
	} {
		if _, err := newRecordReader(bytes.NewReader(c.stream), 100).next(); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestUnpackImage(t *testing.T) {
	for _, record := range [][]byte{image(3, nil, []byte("pic")), image(0, []float32{3}, []byte("pic"))} {
		if class, picture, err := unpackImage(record); class != 3 || string(picture) != "pic" || err != nil {
			t.Errorf("got %d, %q, %v", class, picture, err)
		}
	}
	for want, record := range map[string][]byte{
		"want one:": image(0, []float32{1, 2}, []byte("pic")), "class 0.5": image(0.5, nil, nil),
		"class -1":  image(-1, nil, nil),
		"class NaN": image(float32(math.NaN()), nil, nil), "before its label": image(0, []float32{1}, nil)[:26],
		"want an image record": []byte("short"),
	} {
		if _, _, err := unpackImage(record); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	jpeg := []byte("\xff\xd8\xff\xe0 a picture")
	save := func(name string, records ...[]byte) string {
		path := filepath.Join(dir, name)
		var stream []byte
		for _, r := range records {
			stream = append(stream, pack(r)...)
		}
		if err := os.WriteFile(path, stream, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rec := save("b.rec", image(2, nil, jpeg), image(0, nil, []byte("no picture")))
	augmented := save("a.rec", jpeg, []byte("1"), jpeg, []byte(`"7"`))
	list, err := Extract(t.Context(), []string{rec, augmented}, filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(list)
	want := "0\t1\t000/000000000\n1\t7\t000/000000001\n2\t2\t000/000000002\n3\t0\t000/000000003\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "out", "000", "000000002")); err != nil || !bytes.Equal(data, jpeg) {
		t.Errorf("picture 2: %q, %v", data, err)
	}
	for want, path := range map[string]string{
		"no picture in it": save("empty.rec"), "no class after it": save("odd.rec", jpeg),
		"want its class": save("text.rec", jpeg, []byte("daisy")),
		"picture 0":      save("multi.rec", image(0, []float32{1, 2}, jpeg)), "absent.rec": filepath.Join(dir, "absent.rec"),
	} {
		if _, err := Extract(t.Context(), []string{path}, filepath.Join(dir, "bad")); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// A pipe that nobody writes to does not keep a stopped job alive.
func TestExtractStops(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "train_0")
	if err := mkfifo(pipe); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Extract(ctx, []string{pipe}, t.TempDir()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // lets the reader go
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(pack([]byte("hello")))
	f.Add(pack(image(1, nil, []byte("\x0a\x23\xd7\xce"))))
	f.Add(append(part(recordFirst, nil), part(recordLast, []byte("ab"))...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := newRecordReader(bytes.NewReader(stream), 1<<16)
		for {
			record, err := r.next()
			if err != nil {
				return
			}
			if again, err := newRecordReader(bytes.NewReader(pack(record)), 1<<16).next(); err != nil ||
				!bytes.Equal(again, record) {
				t.Fatalf("%q was written and read as %q, %v", record, again, err)
			}
			if class, _, err := unpackImage(record); err == nil && class < 0 {
				t.Fatal(fmt.Errorf("class %d", class))
			}
		}
	})
}
