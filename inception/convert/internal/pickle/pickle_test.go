package pickle

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/internal/boundtest"
)

// harmless lists dict, an inert type and a function that adds up its arguments.
func harmless(module, name string) (*Global, error) {
	g := &Global{Module: module, Name: name}
	switch module + "." + name {
	case "collections.OrderedDict":
		g.Call = NewDict
	case "torch.FloatStorage":
	case "argparse.Namespace":
		g.Inert = true
	default:
		return nil, &NameError{module, name}
	}
	return g, nil
}

func read(b string, cfg Config) (any, error) {
	return Read(raw.NewCursor(bytes.NewReader([]byte(b)), 0, int64(len(b))), cfg)
}

func TestValues(t *testing.T) {
	big1, _ := new(big.Int).SetString("1950a86a20f9469cfc6c", 16)
	for _, c := range []struct {
		name, pickle string
		want         any
	}{
		{"none", "N.", nil},
		{"true and false", "\x80\x02\x88\x89\x86.", Tuple{true, false}},
		{"old booleans", "(I01\nI00\nt.", Tuple{true, false}},
		{"integers", "(K\x05M\x01\x02J\xff\xff\xff\xffI12\nL34L\nt.",
			Tuple{int64(5), int64(513), int64(-1), int64(12), int64(34)}},
		{"long integers", "(\x8a\x00\x8a\x01\xff\x8a\x02\x00\x80\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x8b\x01\x00\x00\x00\x07t.", Tuple{int64(0), int64(-1), int64(-32768), big1, int64(7)}},
		{"floats", "(G?\xf0\x00\x00\x00\x00\x00\x00F2.5\nt.", Tuple{1.0, 2.5}},
		{"strings", "(S'a'\nVb\nX\x01\x00\x00\x00cU\x01d\x8c\x01eT\x01\x00\x00\x00ft.", Tuple{"a", "b", "c", "d", "e", "f"}},
		{"bytes", "C\x02\x00\xff.", []byte{0, 255}},
		{"tuples", ")K\x01\x85K\x02K\x03\x86K\x04K\x05K\x06\x87\x87.", nil}, // one value too many
		{"lists", "](K\x01K\x02eK\x03a.", &List{[]any{int64(1), int64(2), int64(3)}}},
		{"dicts", "}(U\x01aK\x01U\x01bK\x02uU\x01cK\x03s.",
			&Dict{[]Entry{{"a", int64(1)}, {"b", int64(2)}, {"c", int64(3)}}}},
		{"memo", "\x80\x02K\x07q\x00K\x08r\x01\x00\x00\x000h\x00j\x01\x00\x00\x00\x87.", Tuple{int64(7), int64(7), int64(8)}},
		{"memo of protocol 4", "\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94h\x00\x86.", Tuple{"a", "a"}},
		{"ordered dict with attributes", "ccollections\nOrderedDict\n)R(U\x01aK\x01u}U\x09_metadataNsb.",
			&Dict{[]Entry{{"a", int64(1)}}}},
		{"ordered dict of pairs", "ccollections\nOrderedDict\n](U\x01aK\x01\x86e\x85R.", &Dict{[]Entry{{"a", int64(1)}}}},
		{"inert object", "cargparse\nNamespace\n)\x81}U\x02lrK\x01sb.", Opaque{"argparse", "Namespace"}},
		{"dup and pop", "K\x01K\x020\x32\x86.", Tuple{int64(1), int64(1)}},
		{"mark popped", "K\x01(K\x02K\x031.", int64(1)},
		{"set", "\x8f(K\x01\x90.", &List{[]any{int64(1)}}},
		{"frozen set", "(K\x01\x91.", Set{int64(1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(c.pickle, Config{Find: harmless})
			if c.name == "tuples" {
				if err == nil || !strings.Contains(err.Error(), "2 values on the stack") {
					t.Fatalf("got %v, %v, want an error about the stack", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

// TestHostile: programs that Python would run. Each must end in an error that names what they reach
// for.
func TestHostile(t *testing.T) {
	for _, c := range []struct{ name, pickle, want string }{
		{"system, protocol 0", "cos\nsystem\n(S'touch owned'\ntR.", "os.system"},
		{"system, protocol 4", "\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x05touch\x85R.", "posix.system"},
		{"eval", "c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"},
		{"getattr of a listed name", "cbuiltins\ngetattr\n(ccollections\nOrderedDict\nS'__class__'\ntR.", "builtins.getattr"},
		{"a listed type called", "ctorch\nFloatStorage\n)R.", "may only be named"},
		{"a value called", "K\x01)R.", "calls a int64"},
		{"build of a value", "K\x01}b.", "changes the contents"},
		{"instance opcode", "(S'x'\nios\nsystem\n.", "0x69"},
		{"obj opcode", "(cos\nsystem\no.", "os.system"},
		{"newobj_ex", "cos\nsystem\n)}\x92.", "os.system"},
		{"extension registry", "\x82\x01.", "0x82"},
		{"persistent id", "S'x'\nQ.", "persistent ids"},
		{"dotted name", "\x80\x04\x8c\x0bcollections\x8c\x19OrderedDict.__class__.mro\x93.", "OrderedDict.__class__"},
		{"arguments from a dict", "ccollections\nOrderedDict\n}R.", "want a tuple"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(c.pickle, Config{Find: harmless})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v and error %v, want an error with %q", got, err, c.want)
			}
		})
	}
	var ne *NameError
	if _, err := read("cos\nsystem\n.", Config{}); !errors.As(err, &ne) || ne.Name != "system" {
		t.Errorf("without Find: got %v, want a NameError", err)
	}
}

func TestDamaged(t *testing.T) {
	good := "\x80\x02}q\x00(X\x01\x00\x00\x00aG?\xf0\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00b](K\x01\x8a\x02\x00\x01eu."
	if _, err := read(good, Config{}); err != nil {
		t.Fatal(err)
	}
	for n := range len(good) {
		if v, err := read(good[:n], Config{}); err == nil {
			t.Errorf("cut to %d bytes: got %v, want an error", n, v)
		}
	}
	for _, c := range []string{
		".", "(.", "K\x01K\x02.", "e.", "(e.", "}(K\x01u.", "h\x05.", "\x80\x09N.", "X\xff\xff\xff\x7fa.",
		"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.",
		"\x8b\xff\xff\xff\x7f.", "S'a\n.", "Ix\n.", "Fx\n.", "0.", "(0N0.", "(K\x01R.", "q\x00.", "K\x01\x85\x85\x87.",
		"\xff.", "N(R.",
	} {
		if v, err := read(c, Config{Find: harmless}); err == nil {
			t.Errorf("%q: got %v, want an error", c, v)
		}
	}
}

// TestRegressionCopies: a stored list may be turned into dictionaries over and over, which must not
// cost more memory than the pickle is long.
func TestRegressionCopies(t *testing.T) {
	var b strings.Builder
	b.WriteString("\x80\x02](")
	for range 1000 {
		b.WriteString("NN\x86")
	}
	b.WriteString("eq\x000](")
	for range 1000 {
		b.WriteString("ccollections\nOrderedDict\nh\x00\x85R")
	}
	b.WriteString("e.")
	if _, err := read(b.String(), Config{Find: harmless}); err == nil ||
		!strings.Contains(err.Error(), "larger than the pickle") {
		t.Errorf("got error %v, want one about size", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x80\x02}q\x00(X\x01\x00\x00\x00aG?\xf0\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00b](K\x01\x8a\x02\x00\x01eu."))
	f.Add([]byte("ccollections\nOrderedDict\n](U\x01aK\x01\x86e\x85R}U\x09_metadataNsb."))
	f.Add([]byte("\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x05touch\x85R."))
	f.Add([]byte("(I01\nI00\nL34L\nF2.5\nS'a'\nVb\nt."))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer boundtest.Reader(t, len(b))()
		called := 0
		v, err := Read(raw.NewCursor(bytes.NewReader(b), 0, int64(len(b))), Config{
			Find: func(module, name string) (*Global, error) {
				if module != "m" {
					return nil, &NameError{module, name}
				}
				return &Global{Module: module, Name: name, Call: func(a Tuple) (any, error) { called++; return NewDict(a) }}, nil
			},
			Persistent: func(id any) (any, error) { return fmt.Sprintf("%T", id), nil },
		})
		if err == nil && len(b) == 0 {
			t.Fatalf("an empty pickle gave %v", v)
		}
		if called > len(b) {
			t.Fatalf("%d calls from %d bytes", called, len(b))
		}
	})
}
