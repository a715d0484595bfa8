package source

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// zipEncrypted is the flag of a file that needs a password.
const zipEncrypted = 1

// zipMethods names the methods of packing that are not read: APPNOTE.TXT of PKWARE, 4.4.5.
var zipMethods = map[uint16]string{1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 20: "Zstandard",
	93: "Zstandard", 95: "xz", 96: "JPEG", 98: "PPMd", 99: "AES"}

// readZip reads the list of files at the end of a .zip.
func (a *Archive) readZip(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return damaged(err)
	}
	var total, limit uint64 = 0, freeBytes + maxGrowth*uint64(size)
	for _, f := range z.File {
		name := f.Name
		if !strings.Contains(name, "/") { // some packers for Windows write it so, against the format
			name = strings.ReplaceAll(name, `\`, "/")
		}
		if total += f.UncompressedSize64; total > limit || f.UncompressedSize64 > limit {
			return tooMuch(int64(limit))
		}
		mode := f.Mode()
		switch {
		case strings.HasSuffix(name, "/") || mode.IsDir():
			err = a.insert(name, nil)
		case mode&fs.ModeSymlink != 0 && f.UncompressedSize64 <= maxName:
			err = a.linkInZip(name, f)
		default:
			err = a.insert(name, &packed{size: int64(f.UncompressedSize64), zip: f, bad: badZip(f, mode)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tooMuch is the error of an archive that grows.
func tooMuch(limit int64) error {
	return fmt.Errorf("unpacks to more than %d bytes, which no pictures packed in so few do: unpack it and name the "+
		"folder, if you know what is in it", limit)
}

// badZip says why a file in a .zip cannot be read, "" where it can.
func badZip(f *zip.File, mode fs.FileMode) string {
	switch {
	case f.Flags&zipEncrypted != 0:
		return "is encrypted: unpack the archive with its password and name the folder"
	case f.Method != zip.Store && f.Method != zip.Deflate:
		name := zipMethods[f.Method]
		if name == "" {
			name = fmt.Sprintf("method %d", f.Method)
		}
		return fmt.Sprintf("is packed by %s, which is not read: unpack the archive, or pack it by Deflate", name)
	case !mode.IsRegular():
		return fmt.Sprintf("is a %s, not a file", Kind(mode))
	}
	return ""
}

// linkInZip notes a symbolic link, whose content is the path that it leads to.
func (a *Archive) linkInZip(name string, f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return damaged(err)
	}
	target, err := io.ReadAll(io.LimitReader(r, maxName))
	if err != nil {
		return damaged(err)
	}
	a.links = append(a.links, link{name, string(target)})
	return r.Close()
}
