package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestUnmarshal(t *testing.T) {
	type target struct {
		A int             `json:"a"`
		B json.RawMessage `json:"b"`
	}
	for _, c := range []struct{ name, in, want string }{
		{"good", `{"a":1,"b":{"x":[{"y":1},{"y":2}],"z":[]}}`, ""},
		{"same key in two objects", `{"b":{"a":1},"a":2}`, ""},
		{"byte order mark", "\ufeff" + `{"a":1}`, ""},
		{"unknown key", `{"a":1,"c":2}`, "unknown field"},
		{"twice", `{"a":1,"a":2}`, `"a" twice`},
		{"twice by escape", `{"a":1,"\u0061":2}`, `"a" twice`},
		{"twice deep inside", `{"b":{"x":[{"y":1,"y":2}]}}`, `"y" twice`},
		{"twice after a nested value", `{"b":{},"a":1,"b":[]}`, `"b" twice`},
		{"rest", `{"a":1} 2`, "follows"},
		{"cut", `{"a":1`, "breaks off"},
		{"empty", ``, "breaks off"},
		{"text", "{\"\xff\":1}", "UTF-8"},
		{"wrong type", `{"a":"x"}`, "cannot unmarshal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v target
			err := Unmarshal([]byte(c.in), &v)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	for _, c := range []struct {
		name, in string
		got      string // key=value of those that were told of
		want     error  // nil for none, errAny for one of no name
	}{
		{"good", ` {"b": [1, {"x":1,"x":2}], "a":null} `, `b=[1, {"x":1,"x":2}] a=null`, nil},
		{"empty", `{}`, "", nil},
		{"byte order mark", "\ufeff" + `{"a":1}`, "a=1", nil},
		{"array", `["a"]`, "", ErrNotObject},
		{"nothing", "", "", ErrNotObject},
		{"number for a key", `{1:2}`, "", errAny},
		{"twice", `{"a":1,"b":2,"a":3}`, "a=1 b=2", ErrTwice},
		{"twice by escape", `{"a":1,"\u0061":2}`, "a=1", ErrTwice},
		{"rest", `{"a":1} {}`, "a=1", ErrFollows},
		{"cut", `{"a":1,"b":`, "a=1", errAny},
		{"cut behind a value", `{"a":1`, "a=1", errAny},
		{"stopped", `{"stop":1,"a":2}`, "", errStop},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			err := Members([]byte(c.in), func(key string, value json.RawMessage) error {
				if key == "stop" {
					return errStop
				}
				got = append(got, key+"="+string(value))
				return nil
			})
			if text := strings.Join(got, " "); text != c.got {
				t.Errorf("got %s, want %s", text, c.got)
			}
			if errors.Is(c.want, errAny) && err == nil || !errors.Is(c.want, errAny) && !errors.Is(err, c.want) {
				t.Errorf("got the error %v, want %v", err, c.want)
			}
		})
	}
}

var errAny, errStop = errors.New("any"), errors.New("stop")

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"d"}`))
	f.Add([]byte(`[[],{},{"a":{}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if Check(data) == nil && !json.Valid(data) {
			t.Fatalf("Check accepts %q, which is not JSON", data)
		}
	})
}
