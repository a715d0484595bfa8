package hosts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPack: files arrive under their names, and another's names, or fewer of them, are refused.
func TestPack(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"a.bottlenecks", "b.bottlenecks"} {
		files = append(files, filepath.Join(dir, name))
		if err := os.WriteFile(files[len(files)-1], []byte("of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	packed := func(files []string) string {
		t.Helper()
		path, err := pack(dir, files)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	archive, to := packed(files), t.TempDir()
	if err := unpack(to, archive, files); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if got, err := os.ReadFile(filepath.Join(to, filepath.Base(f))); err != nil || string(got) != "of "+filepath.Base(f) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if _, err := os.Stat(archive); !os.IsNotExist(err) {
		t.Errorf("the archive is still there (%v)", err)
	}
	for want, sent := range map[string][]string{"another": {files[1]}, "ends after 1 of 2": files[:1], "want \"nothing\"": {files[0],
		files[1], files[0]}} {
		if err := unpack(t.TempDir(), packed(sent), files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
