package inception

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path/filepath"

	"github.com/c236555e/rehead/internal/atomicfile"
)

// Pack writes the model as one .tar.gz, the form in which SageMaker keeps models and OpenModel
// reads them: the files of Save, flat, model.json first. The file appears whole or not at all and
// replaces another of its name. Equal models give equal bytes.
func (m *Model) Pack(path string, opts SaveOptions) error {
	files, doc, err := m.prepare(opts)
	if err == nil {
		atomicfile.Sweep(filepath.Dir(path))
		err = atomicfile.Write(path, func(w io.Writer) error { return packTo(w, files, doc) })
	}
	if err != nil {
		return fmt.Errorf("inception: pack model: %w", err)
	}
	return nil
}

// packTo goes over the files twice, for their sizes and digests and to write them, so that none is
// kept in memory.
func packTo(w io.Writer, files []outFile, doc modelJSON) error {
	doc.Files = make(map[string]fileEntry, len(files))
	for _, f := range files {
		var err error
		if doc.Files[f.name], err = f.writeSummed(io.Discard); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	front, err := doc.seal()
	if err != nil {
		return err
	}
	zipped, err := gzip.NewWriterLevel(w, gzip.BestSpeed) // weights hardly shrink
	if err != nil {
		return err
	}
	tape := tar.NewWriter(zipped)
	add := func(name string, size int64, write func(io.Writer) error) error {
		err := tape.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644,
			Format: tar.FormatUSTAR})
		if err == nil {
			err = write(tape)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	err = add(modelJSONFile, int64(len(front)), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(front))
		return err
	})
	for i := 0; i < len(files) && err == nil; i++ {
		err = add(files[i].name, doc.Files[files[i].name].Bytes, files[i].write)
	}
	if err == nil {
		err = tape.Close()
	}
	if err == nil {
		err = zipped.Close()
	}
	return err
}
