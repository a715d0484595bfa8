package strictjson

import (
	"encoding/json"
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

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"d"}`))
	f.Add([]byte(`[[],{},{"a":{}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if Check(data) == nil && !json.Valid(data) {
			t.Fatalf("Check accepts %q, which is not JSON", data)
		}
	})
}
