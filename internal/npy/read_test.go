package npy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/npy"
)

// file writes an .npy of version 1 by hand.
func file(t testing.TB, header, values string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.npy")
	text := "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + values
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func describe(descr, order, shape string) string {
	return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': (" + shape + "), }  \n"
}

func TestReadRows(t *testing.T) {
	want := [][]float32{{1, 2, 3}, {4, 5, 6}}
	for name, c := range map[string][2]string{
		"half":       {describe("<f2", "False", "2, 3"), "\x00\x3c\x00\x40\x00\x42\x00\x44\x00\x45\x00\x46"},
		"float, big": {describe(">f4", "False", "2, 3"), "\x3f\x80\x00\x00\x40\x00\x00\x00\x40\x40\x00\x00\x40\x80\x00\x00\x40\xa0\x00\x00\x40\xc0\x00\x00"},
		"byte":       {describe("|u1", "False", "2,3"), "\x01\x02\x03\x04\x05\x06"},
		"columns":    {describe("|i1", "True", "2, 3"), "\x01\x04\x02\x05\x03\x06"},
		"shorts":     {describe(">i2", "False", "2, 3"), "\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06"},
		"keys": {"{'shape': (2, 3), 'fortran_order': False, 'descr': '<f2'}\n",
			"\x00\x3c\x00\x40\x00\x42\x00\x44\x00\x45\x00\x46"},
	} {
		got, err := npy.ReadRows(file(t, c[0], c[1]))
		if err != nil || !slices.EqualFunc(got, want, slices.Equal[[]float32]) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if got, err := npy.ReadRows(file(t, describe("<f8", "False", "1, 1"), "\x00\x00\x00\x00\x00\x00\xf8\xbf")); err != nil ||
		got[0][0] != -1.5 {
		t.Errorf("double: got %v, %v", got, err)
	}
}

func TestReadTexts(t *testing.T) {
	for name, c := range map[string]struct {
		header, values string
		want           []string
	}{
		"texts":     {describe("<U2", "False", "2,"), "a\x00\x00\x00\xe9\x00\x00\x00b\x00\x00\x00\x00\x00\x00\x00", []string{"aé", "b"}},
		"integers":  {describe("<i2", "False", "3,"), "\x05\x00\xff\xff\x00\x01", []string{"5", "-1", "256"}},
		"unsigned":  {describe("|u1", "False", "1,"), "\xff", []string{"255"}},
		"long ones": {describe(">i8", "False", "1,"), "\xff\xff\xff\xff\xff\xff\xff\xfe", []string{"-2"}},
	} {
		if got, err := npy.ReadTexts(file(t, c.header, c.values)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string][3]string{
		"short":         {describe("<f4", "False", "2, 3"), "abc", "bytes, want"},
		"long":          {describe("<f2", "False", "1, 1"), "abc", "bytes, want"},
		"huge":          {describe("<f2", "False", "99999999999, 99999999999"), "", "no file holds"},
		"axes":          {describe("|u1", "False", strings.Repeat("1,", 65)), "a", "no file holds"},
		"huger":         {describe("<f2", "False", "99999999999999999999, 1"), "", "no file holds"},
		"one dimension": {describe("|u1", "False", "3,"), "abc", "two dimensions"},
		"no column":     {describe("|u1", "False", "3, 0"), "", "two dimensions"},
		"texts":         {describe("<U1", "False", "1, 1"), "abcd", "of texts"},
		"objects":       {describe("|O", "False", "1, 1"), "abcd", "header"},
		"complex":       {describe("<c8", "False", "1, 1"), "abcdabcd", "header"},
		"size":          {describe("<f3", "False", "1, 1"), "abc", "of type f3"},
		"no dictionary": {"\n", "", "header"},
		"no letters":    {describe("<U0", "False", "1, 1"), "", "of type U0"},
	} {
		if _, err := npy.ReadRows(file(t, c[0], c[1])); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: got %v, want %q", name, err, c[2])
		}
	}
	for _, text := range []string{"", "text", "\x93NUMPY\x04\x00\x00\x00", "\x93NUMPY\x02\x00\x00\x00",
		"\x93NUMPY\x02\x00\xff\xff\xff\xff", "\x93NUMPY\x01\x00\xff\xff{"} {
		path := filepath.Join(t.TempDir(), "a.npy")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := npy.ReadRows(path); err == nil {
			t.Errorf("%q was read", text)
		}
		if _, err := npy.ReadTexts(path); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestReadsNumPys: NumPy's own files, of every type, order and version, read as NumPy prints them.
func TestReadsNumPys(t *testing.T) {
	dir := t.TempDir()
	datatest.Python(t, "numpy", "-c", `
import numpy as np, sys
from numpy.lib import format
x = np.arange(12).reshape(3, 4) - 5
for kind in "f2 f4 f8 i1 i2 i4 i8".split():
    for end in "<>":
        np.save(f"{sys.argv[1]}/{kind}{'l' if end == '<' else 'b'}.npy", x.astype(end + kind))
np.save(sys.argv[1] + "/columns.npy", np.asfortranarray(x.astype("f4")))
for v in 1, 2, 3:
    with open(f"{sys.argv[1]}/version{v}.npy", "wb") as f:
        format.write_array(f, x.astype("f4"), version=(v, 0))
np.save(sys.argv[1] + "/labels.npy", np.array(["daisy", "löwe", ""]))
`, dir)
	names, err := filepath.Glob(filepath.Join(dir, "*.npy"))
	if err != nil || len(names) != 19 {
		t.Fatalf("got %d files, %v", len(names), err)
	}
	for _, name := range names {
		if filepath.Base(name) == "labels.npy" {
			if got, err := npy.ReadTexts(name); err != nil || !slices.Equal(got, []string{"daisy", "löwe", ""}) {
				t.Errorf("labels: got %q, %v", got, err)
			}
			continue
		}
		got, err := npy.ReadRows(name)
		if err != nil || len(got) != 3 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, v := range slices.Concat(got...) {
			if v != float32(i-5) {
				t.Errorf("%s: value %d: got %g, want %d", name, i, v, i-5)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, h := range []string{describe("<f4", "False", "1, 1"), describe("<U1", "True", "1,")} {
		f.Add([]byte("\x93NUMPY\x01\x00" + string([]byte{byte(len(h)), 0}) + h + "abcd"))
	}
	path := filepath.Join(f.TempDir(), "a.npy")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if rows, err := npy.ReadRows(path); err == nil && 2*len(rows) > 8*len(data) {
			t.Errorf("%d rows of %d bytes", len(rows), len(data))
		}
		if texts, err := npy.ReadTexts(path); err == nil && len(texts) > len(data) {
			t.Errorf("%d texts of %d bytes", len(texts), len(data))
		}
	})
}
