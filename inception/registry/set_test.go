package registry

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
)

// sound is a set's JSON as Pull writes it.
func sound(tb testing.TB) []byte {
	tb.Helper()
	hex := strings.Repeat("0123456789abcdef", 4)
	e, err := Find("keras")
	if err != nil {
		tb.Fatal(err)
	}
	b, err := json.Marshal(setFile{format,
		Pulled{Entry: e, From: e.URL, FileSHA256: hex, Weights: hex, Digest: hex, DType: "f32", Expected: []float32{1, 2}}})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseSet(t *testing.T) {
	good := string(sound(t))
	p, err := parseSet([]byte(good))
	if err != nil || p.Name != "keras" || p.Recipe != inception.Keras.Recipe() || len(p.Expected) != 2 {
		t.Fatalf("got %+v, %v", p, err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"no JSON":         {"{", "[", "invalid"},
		"cut off":         {`"expected":[1,2]}`, "", "unexpected"},
		"twice":           {`"dtype":"f32"`, `"dtype":"f32","dtype":"f16"`, "dtype"},
		"unknown":         {`"dtype":"f32"`, `"dtype":"f32","tail":1`, "tail"},
		"something after": {`"expected":[1,2]}`, `"expected":[1,2]} {}`, "follows"},
		"other format":    {format, "rehead-set/9", "rehead-set/9"},
		"a path":          {`"weights":"0123456789abcdef`, `"weights":"../../etc/passwd/`, "SHA-256"},
		"upper case":      {`"digest":"0123456789abcdef`, `"digest":"0123456789ABCDEF`, "SHA-256"},
		"other dtype":     {`"dtype":"f32"`, `"dtype":"f64"`, "f64"},
		"bad recipe":      {`"size":299,"orient"`, `"size":0,"orient"`, "size"},
	} {
		b := strings.Replace(good, c.old, c.new, 1)
		if b == good {
			t.Fatalf("%s: %q is not in %s", name, c.old, good)
		}
		if _, err := parseSet([]byte(b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

// FuzzParseSet: a set's JSON is refused, or names a file inside the store.
func FuzzParseSet(f *testing.F) {
	f.Add(sound(f))
	f.Add([]byte(`{"format":"rehead-set/1","weights":"../../etc/passwd"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseSet(b)
		if err != nil {
			return
		}
		s := Store{Dir: "store"}
		if dir := filepath.Dir(s.Path(p)); dir != filepath.Join("store", "weights") {
			t.Fatalf("the weights lie in %s", dir)
		}
		if err := p.Recipe.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
