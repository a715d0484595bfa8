package inception

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/filelock"
)

// saveInside writes below dir, which exists, and puts the files into place. At any moment a whole
// model is there: the old one, or the new one below dir or in its place.
func saveInside(dir string, files []outFile, doc modelJSON) error {
	temp, unlock, err := atomicfile.MakeFolder(dir)
	if err != nil {
		return err
	}
	defer unlock() //nolint:errcheck // the file is removed below, or with the folder
	if err := writeAll(temp, files, doc); err != nil {
		return err
	}
	return putInPlace(temp, dir)
}

// putInPlace makes the model in temp, a folder in dir, that of dir. Without model.json, which goes
// first and comes last, dir is not a model, and temp stays whole until it is one.
func putInPlace(temp, dir string) error {
	for _, name := range append([]string{modelJSONFile}, modelFiles()...) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, name := range append(modelFiles(), modelJSONFile) {
		if err := duplicate(filepath.Join(temp, name), filepath.Join(dir, name)); err != nil &&
			!errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := atomicfile.SyncFolder(dir); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(temp), atomicfile.SyncFolder(dir))
}

// duplicate gives a file another name, or copies it where the file system has no links.
func duplicate(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	return atomicfile.Write(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// unfinished is the folder below dir with the whole of a model that was being put into place when
// its process was killed; dir itself where there is none.
func unfinished(dir string) string {
	if _, err := os.Lstat(filepath.Join(dir, modelJSONFile)); err == nil {
		return dir
	}
	list, _ := os.ReadDir(dir) // a folder that cannot be read fails later
	for _, e := range list {
		temp := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), atomicfile.TempPrefix) && isModel(filepath.Join(temp, modelJSONFile)) {
			return temp
		}
	}
	return dir
}

// settle puts a model into place whose saving was cut short, before anything of it is swept.
func settle(dir string) error {
	temp := unfinished(dir)
	if temp == dir {
		return nil
	}
	unlock, err := filelock.TryLock(filepath.Join(temp, atomicfile.LockName))
	if errors.Is(err, filelock.ErrHeld) {
		return nil // its process lives
	}
	if err != nil {
		return err
	}
	defer unlock() //nolint:errcheck // of a file that is gone
	return putInPlace(temp, dir)
}
