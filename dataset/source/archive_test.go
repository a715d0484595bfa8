package source_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// TestArchivesReadAsFolders: what is listed and read of an archive is what is of the folder.
func TestArchivesReadAsFolders(t *testing.T) {
	root := picturetest.Tree(t, "b/2.png", "b/1.png", "a/deep/er/1.png", "a/ü.png", "loose.png", "__MACOSX/b/1.png")
	picturetest.Write(t, filepath.Join(root, "b", "words.jpg"), []byte("words"))
	picturetest.Write(t, filepath.Join(root, "b", "empty.jpg"), nil)
	want, problems, err := source.List(root)
	if err != nil || len(want) != 5 || len(problems) != 2 {
		t.Fatalf("the folder: %d files, %q, %v", len(want), problems, err)
	}
	for _, ending := range picturetest.Archives() {
		t.Run(ending, func(t *testing.T) {
			path := picturetest.Pack(t, root, ending)
			got, left, err := source.List(path)
			if err != nil || len(got) != len(want) || len(left) != len(problems) {
				t.Fatalf("got %+v, %q, %v", got, left, err)
			}
			for i, f := range got {
				if f.Rel != want[i].Rel || f.Path != path+"!/"+filepath.ToSlash(want[i].Path[len(root)+1:]) {
					t.Errorf("got %s (%s), want %s", f.Path, f.Rel, want[i].Rel)
				}
				data, err := f.Read(picture.Limits{})
				if wanted, _ := os.ReadFile(want[i].Path); err != nil || !bytes.Equal(data, wanted) {
					t.Errorf("%s: %d bytes, %v", f.Path, len(data), err)
				}
				if _, err := f.Read(picture.Limits{MaxBytes: 9}); !errors.As(err, new(*picture.TooLargeError)) {
					t.Errorf("%s: a limit of 9 bytes: got %v", f.Path, err)
				}
			}
			for i, p := range left {
				if p.Reason != problems[i].Reason {
					t.Errorf("got %+v, want %+v", p, problems[i])
				}
			}
			store, at, err := source.Open(path + "!/b")
			if err != nil || at != path+"!/b" {
				t.Fatalf("a folder in it: %q, %v", at, err)
			}
			if list, err := store.ReadDir(at); err != nil || len(list) != 4 {
				t.Errorf("got %v, %v", list, err)
			}
			for _, name := range []string{"!/c", "!/b/1.png/x", "!x", "/../x", ""} {
				if _, err := store.Stat(path + name); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%q: got %v, want none", name, err)
				}
			}
		})
	}
}

// TestTapeInEveryOrder reads a compressed tar that is larger than what is kept of it, by several
// readers, in its own order and in another.
func TestTapeInEveryOrder(t *testing.T) {
	const files, size = 40, 12 << 10
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := func(i int) []byte {
		return bytes.Repeat([]byte{'B', 'M', byte(i), 0, 0, 0, 0, 0, 0, 0, 7, byte(i)}, size/12)
	}
	for i := range files {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("x/%d.bmp", (i*17)%files), Size: int64(len(content(i)))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content(i)); err != nil {
			t.Fatal(err)
		}
	}
	large := bytes.Repeat([]byte("large"), 2<<20)
	if err := w.WriteHeader(&tar.Header{Name: "large", Size: int64(len(large))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(large); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.tar.zst")
	picturetest.Write(t, path, picturetest.Compress(t, append(b.Bytes(), picturetest.Noise(900, 900, 1).Pix...), ".zst"))
	list, _, err := source.List(path)
	if err != nil || len(list) != files {
		t.Fatalf("%d files, %v", len(list), err)
	}
	source.Keep(list[0].Store.(*source.Archive), 5*size)
	order := source.Order(list, func(f source.File) source.File { return f })
	for k, i := range order {
		if want := fmt.Sprintf("x/%d.bmp", (k*17)%files); list[i].Rel != want {
			t.Fatalf("file %d of the order: got %s, want %s", k, list[i].Rel, want)
		}
	}
	check := func(k int) {
		if data, err := list[order[k]].Read(picture.Limits{}); err != nil || !bytes.Equal(data, content(k)) {
			t.Errorf("file %d: %d bytes, %v", k, len(data), err)
		}
	}
	var readers sync.WaitGroup
	next := make(chan int)
	for range 4 {
		readers.Go(func() {
			for k := range next {
				check(k)
			}
		})
	}
	for k := range files {
		next <- k
	}
	close(next)
	readers.Wait()
	for _, k := range []int{39, 2, 20, 2} {
		check(k)
	}
	store, root, err := source.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := store.Open(root + "/large")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(f); err != nil || !bytes.Equal(data, large) || f.Close() != nil {
		t.Errorf("the large file: %d bytes, %v", len(data), err)
	}
}

// header is a file of a tar, of one picture unless it says otherwise.
type header = tar.Header

// tape writes a tar of headers.
func tape(t *testing.T, picture []byte, headers ...header) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		data := picture
		if h.Typeflag != 0 && h.Typeflag != tar.TypeReg {
			data = nil
		}
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.tar")
	picturetest.Write(t, path, b.Bytes())
	return path
}

func TestTarEntries(t *testing.T) {
	pic := picturetest.Encode(t, "png", picturetest.Noise(3, 2, 1))
	list, problems, err := source.List(tape(t, pic,
		header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "x"}},
		header{Typeflag: 'V', Name: "/a label"},
		header{Typeflag: tar.TypeDir, Name: "a/"},
		header{Name: "a/1.png"},
		header{Name: strings.Repeat("long/", 30) + "2.png", Format: tar.FormatPAX},
		header{Typeflag: tar.TypeLink, Name: "a/hard.png", Linkname: "a/1.png"},
		header{Typeflag: tar.TypeSymlink, Name: "b/soft.png", Linkname: "../a/1.png"},
		header{Typeflag: tar.TypeSymlink, Name: "b/softer.png", Linkname: "soft.png"},
		header{Typeflag: tar.TypeSymlink, Name: "b/out.png", Linkname: "../../etc/passwd"},
		header{Typeflag: tar.TypeSymlink, Name: "b/round.png", Linkname: "round.png"},
		header{Typeflag: tar.TypeSymlink, Name: "b/folder", Linkname: "../a"},
		header{Typeflag: tar.TypeFifo, Name: "b/pipe"},
		header{Typeflag: tar.TypeLink, Name: "b/none.png", Linkname: "a/9.png"}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Rel[max(0, len(f.Rel)-12):])
		if data, err := f.Read(picture.Limits{}); err != nil || !bytes.Equal(data, pic) {
			t.Errorf("%s: %d bytes, %v", f.Rel, len(data), err)
		}
	}
	want := []string{"a/1.png", "a/hard.png", "b/soft.png", "b/softer.png", "g/long/2.png"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	for i, reason := range []string{"to a folder", "does not hold before it", "does not hold", "is a pipe", "does not hold"} {
		if i >= len(problems) || !strings.Contains(problems[i].Reason, reason) {
			t.Errorf("problem %d: got %q, want one that says %q", i, problems, reason)
		}
	}
}

// TestTarSparse: GNU tar's own form of a file with a hole, which archive/tar cannot write.
func TestTarSparse(t *testing.T) {
	pic := picturetest.Encode(t, "png", picturetest.Noise(3, 2, 1))
	list, problems, err := source.List(tape(t, pic, header{Name: "a/1.png"}, header{Name: "a/2.png", Format: tar.FormatPAX,
		PAXRecords: map[string]string{"REHEAD.x": "y"}}))
	if err != nil || len(list) != 2 || len(problems) != 0 {
		t.Errorf("records of one's own: got %v, %q, %v", list, problems, err)
	}
	path := tape(t, pic, header{Name: "a/1.png"}, header{Name: "a/2.png"})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := data[512+(len(pic)+511)/512*512:]
	second[156] = tar.TypeGNUSparse
	copy(second[257:], "ustar  \x00")
	clear(second[386:483])
	copy(second[386:], "00000000000\x0000000000000\x00") // one piece of no bytes
	copy(second[483:], fmt.Sprintf("%011o\x00", 1<<20))
	copy(second[148:], "        ")
	sum := 0
	for _, b := range second[:512] {
		sum += int(b)
	}
	copy(second[148:], fmt.Sprintf("%06o\x00 ", sum))
	picturetest.Write(t, path, data)
	if list, problems, err = source.List(path); err != nil {
		if !strings.Contains(err.Error(), "damaged") {
			t.Error(err)
		}
	} else if len(list) != 1 || len(problems) != 1 || !strings.Contains(problems[0].Reason, "sparse") {
		t.Errorf("got %v, %q", list, problems)
	}
}

func TestArchivesRefused(t *testing.T) {
	pic := picturetest.Encode(t, "png", picturetest.Noise(3, 2, 1))
	root := picturetest.Tree(t, "a/1.png", "a/2.png")
	file := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		picturetest.Write(t, path, data)
		return path
	}
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	cut := func(ending string) string {
		data := read(picturetest.Pack(t, root, ending))
		return file("cut"+ending, data[:len(data)/2])
	}
	gz := read(picturetest.Pack(t, root, ".tar.gz"))
	gz[len(gz)-6] ^= 1 // the checksum
	zeros := make([]byte, 80<<20)
	bomb := append(read(tape(t, pic, header{Name: "a/1.png"}))[:1024], zeros...)
	for _, test := range []struct{ name, path, want string }{
		{"absolute", tape(t, pic, header{Name: "/etc/1.png"}), `"/etc/1.png", which leads out`},
		{"a drive", tape(t, pic, header{Name: "C:/x/1.png"}), "leads out"},
		{"upwards", tape(t, pic, header{Name: "a/../../1.png"}), "leads out"},
		{"twice", tape(t, pic, header{Name: "a/1.png"}, header{Name: "./a/1.png"}), "twice"},
		{"a file as folder", tape(t, pic, header{Name: "a"}, header{Name: "a/1.png"}), "twice"},
		{"deep", tape(t, pic, header{Name: strings.Repeat("x/", 200) + "1.png"}), "too long"},
		{"cut zip", cut(".zip"), "damaged"}, {"cut tar", cut(".tar"), "damaged"},
		{"cut gz", cut(".tar.gz"), "damaged"}, {"cut zst", cut(".tar.zst"), "damaged"},
		{"checksum", file("x.tgz", gz), "damaged"},
		{"gzip of a picture", file("x.gz", picturetest.Compress(t, pic, ".gz")), "no tar"},
		{"grows", file("x.tar.zst", picturetest.Compress(t, bomb, ".zst")), "unpacks to more than"},
		{"7-Zip", file("x.7z", []byte("7z\xbc\xaf\x27\x1cxxxx")), "archive of 7-Zip"},
		{"an address", "s3://bucket/flowers", "aws s3 cp --recursive s3://bucket/flowers"},
	} {
		if _, _, err := source.Open(test.path); err == nil || !strings.Contains(err.Error(), test.want) ||
			!strings.Contains(err.Error(), test.path) {
			t.Errorf("%s: got %v, want one that names it and says %q", test.name, err, test.want)
		}
	}
	if _, _, err := source.List("hf://datasets/x"); err == nil || !strings.Contains(err.Error(), "hf download") {
		t.Errorf("an address: got %v", err)
	}
	if _, err := source.Read("https://host/a.jpg", picture.Limits{}); err == nil || !strings.Contains(err.Error(), "curl") {
		t.Errorf("an address: got %v", err)
	}
}

// TestZipEntries: entries as other packers write them, and what is refused of them.
func TestZipEntries(t *testing.T) {
	pic := picturetest.Encode(t, "png", picturetest.Noise(3, 2, 1))
	make := func(t *testing.T, change func(data []byte), headers ...zip.FileHeader) string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i := range headers {
			w, err := z.CreateHeader(&headers[i]) // with a data descriptor
			data := pic
			if headers[i].Mode()&fs.ModeSymlink != 0 {
				data = []byte("1.png")
			}
			if err == nil && !strings.HasSuffix(headers[i].Name, "/") {
				_, err = w.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		if change != nil {
			change(data)
		}
		path := filepath.Join(t.TempDir(), "x.zip")
		picturetest.Write(t, path, data)
		return path
	}
	link := zip.FileHeader{Name: "a/link.png"}
	link.SetMode(fs.ModeSymlink | 0o777)
	backslash := make(t, nil, zip.FileHeader{Name: `a\1.png`}, zip.FileHeader{Name: "b/", Method: zip.Store})
	if list, _, err := source.List(backslash); err != nil || len(list) != 1 || list[0].Rel != "a/1.png" {
		t.Errorf("backslashes: got %v, %v", list, err)
	}
	directory := []byte("PK\x01\x02")
	for _, test := range []struct {
		name, want string
		change     func(data []byte)
	}{
		{"encrypted", "is encrypted", func(data []byte) { data[bytes.LastIndex(data, directory)+8] |= 1 }},
		{"by another method", "packed by LZMA", func(data []byte) { data[bytes.LastIndex(data, directory)+10] = 14 }},
	} {
		list, problems, err := source.List(make(t, test.change, zip.FileHeader{Name: "a/1.png"}, zip.FileHeader{Name: "a/2.png"}))
		if err != nil || len(list) != 1 || len(problems) != 1 || !strings.Contains(problems[0].Reason, test.want) {
			t.Errorf("%s: got %v, %q, %v", test.name, list, problems, err)
		}
	}
	grown := make(t, func(data []byte) {
		binary.LittleEndian.PutUint32(data[bytes.LastIndex(data, directory)+24:], 1<<31)
	}, zip.FileHeader{Name: "a/1.png"})
	if _, _, err := source.Open(grown); err == nil || !strings.Contains(err.Error(), "unpacks to more than") {
		t.Errorf("a file that grows: got %v", err)
	}
	longer := make(t, func(data []byte) {
		binary.LittleEndian.PutUint32(data[bytes.LastIndex(data, directory)+24:], uint32(len(pic)+9))
	}, zip.FileHeader{Name: "a/1.png", Method: zip.Deflate})
	if list, _, err := source.List(longer); err == nil {
		t.Errorf("a file that is shorter than the list of files says was read: %v", list)
	}
	list, problems, err := source.List(make(t, nil, zip.FileHeader{Name: "a/1.png"}, link))
	if err != nil || len(list) != 2 || list[1].Rel != "a/link.png" {
		t.Errorf("a link: got %v, %q, %v", list, problems, err)
	}
	if _, _, err := source.Open(make(t, nil, zip.FileHeader{Name: "../1.png"})); err == nil {
		t.Error("a path that leads out was taken")
	}
}

func FuzzArchive(f *testing.F) {
	root := picturetest.Tree(f, "a/1.png", "b/2.png")
	for _, ending := range picturetest.Archives() {
		data, err := os.ReadFile(picturetest.Pack(f, root, ending))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	path := filepath.Join(f.TempDir(), "x")
	f.Fuzz(func(t *testing.T, data []byte) {
		picturetest.Write(t, path, data)
		store, _, err := source.Open(path)
		if err != nil {
			return
		}
		if a, ok := store.(*source.Archive); ok {
			defer func() { _ = a.Close() }()
		}
		list, _, err := source.List(path)
		if err != nil {
			return
		}
		for _, file := range list {
			if !fs.ValidPath(file.Rel) && file.Rel == "" {
				t.Fatalf("got %+v", file)
			}
			_, _ = file.Read(picture.Limits{MaxBytes: 1 << 20})
		}
	})
}
