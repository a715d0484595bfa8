package serve

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strconv"
	"testing"
)

// packed compresses data by one of the codings; "bare" is deflate without zlib's header.
func packed(t testing.TB, coding string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default:
		w, err = flate.NewWriter(&b, 9)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContentCodings(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	picture := colorPNG(t, 5, 4, blue)
	want := do(s.Handler(), http.MethodPost, "/invocations", picture, "Content-Type", "image/png").Body.String()
	for coding, header := range map[string]string{"gzip": "GZIP", "deflate": "deflate", "bare": "deflate"} {
		w := do(s.Handler(), http.MethodPost, "/invocations", packed(t, coding, picture), "Content-Type", "image/png",
			"Content-Encoding", header)
		wantStatus(t, w, http.StatusOK, want)
		data := elements(picture) // the header's length is that of the unpacked JSON
		text := binaryInput("image", "BYTES", "[1]", len(data), "")
		w = do(s.Handler(), http.MethodPost, "/v2/models/model/infer", packed(t, coding, append([]byte(text), data...)),
			headerInferLength, strconv.Itoa(len(text)), "Content-Encoding", header)
		wantStatus(t, w, http.StatusOK, `"data":["blue"]`)
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", picture, "Content-Encoding", "identity"), http.StatusOK, want)
}

func TestContentCodingRefusals(t *testing.T) {
	s := newServer(t, &fake{}, Config{MaxBodyBytes: 1 << 20, MaxHeldBytes: 8 << 20})
	good := packed(t, "gzip", colorPNG(t, 5, 4, blue))
	for name, c := range map[string]struct {
		coding string
		body   []byte
		code   int
		want   string
	}{
		"unknown":    {"br", good, http.StatusUnsupportedMediaType, "gzip or deflate"},
		"two":        {"gzip, deflate", good, http.StatusUnsupportedMediaType, "gzip or deflate"},
		"not packed": {"gzip", []byte("hello hello hello"), http.StatusBadRequest, "not gzip"},
		"nothing":    {"deflate", nil, http.StatusBadRequest, "not deflate"},
		"cut off":    {"gzip", good[:len(good)-9], http.StatusBadRequest, "cut off"},
		"damaged":    {"gzip", append(bytes.Clone(good[:len(good)-8]), make([]byte, 8)...), http.StatusBadRequest, "damaged"},
		"bomb":       {"gzip", packed(t, "gzip", make([]byte, 64<<20)), http.StatusRequestEntityTooLarge, "unpacks to more"},
		"zlib bomb":  {"deflate", packed(t, "deflate", make([]byte, 64<<20)), http.StatusRequestEntityTooLarge, "unpacks to more"},
		"as sent":    {"gzip", make([]byte, 2<<20), http.StatusRequestEntityTooLarge, "limit of 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			w := do(s.Handler(), http.MethodPost, "/invocations", c.body, "Content-Type", "image/png", "Content-Encoding", c.coding)
			wantStatus(t, w, c.code, c.want)
		})
	}
	if used := s.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}
