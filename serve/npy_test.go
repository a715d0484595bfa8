package serve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/npy"
)

// array is an .npy of version 2.
func array(descr, columns, shape string, values []byte) []byte {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }\n", descr, columns, shape)
	b := binary.LittleEndian.AppendUint32([]byte(npy.Mark+"\x02\x00"), uint32(len(head)))
	return slices.Concat(b, []byte(head), values)
}

// twoPictures are 4 high and 5 wide, of many colours: as PNGs, and their red, green and blue.
func twoPictures(t testing.TB) (pngs [2][]byte, rgb []byte) {
	t.Helper()
	for i := range pngs {
		img := image.NewNRGBA(image.Rect(0, 0, 5, 4))
		for at := range 20 {
			c := color.NRGBA{R: uint8(7*at + 100*i), G: uint8(3 * at), B: uint8(200 - 5*at), A: 255}
			img.SetNRGBA(at%5, at/5, c)
			rgb = append(rgb, c.R, c.G, c.B)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		pngs[i] = b.Bytes()
	}
	return pngs, rgb
}

// floatsOf are bytes as little-endian float32.
func floatsOf(values []byte, add float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)+add))
	}
	return b
}

func postNPY(s *Server, body []byte, headers ...string) *httptest.ResponseRecorder {
	return do(s.Handler(), http.MethodPost, "/invocations", body, append([]string{"Content-Type", typeNPY}, headers...)...)
}

// answered are the values of an answer that is an array [n,3].
func answered(t *testing.T, w *httptest.ResponseRecorder, n int) []float64 {
	t.Helper()
	wantStatus(t, w, http.StatusOK, "")
	head := npy.Header("<f8", n, 3)
	values := make([]float64, 3*n)
	body := w.Body.Bytes()
	if w.Header().Get("Content-Type") != typeNPY || len(body) != len(head)+24*n || !bytes.HasPrefix(body, head) {
		t.Fatalf("got %s %q, want an array of %d rows", w.Header().Get("Content-Type"), body, n)
	}
	if err := binary.Read(bytes.NewReader(body[len(head):]), binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	return values
}

// An array of pictures in any type and order is answered as the pictures' own files are, and so are
// their files by an array.
func TestArrays(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	pngs, rgb := twoPictures(t)
	want := slices.Concat(ordered(expect(t, pngs[0])), ordered(expect(t, pngs[1])))
	var doubles, longs []byte
	for _, v := range rgb {
		doubles = binary.BigEndian.AppendUint64(doubles, math.Float64bits(float64(v)))
		longs = binary.LittleEndian.AppendUint64(longs, uint64(v))
	}
	byColumns := make([]byte, len(rgb))
	for i := range rgb { // the place of [n,y,x,c] with the first axis fastest
		n, y, x, c := i/60, i/15%4, i/3%5, i%3
		byColumns[n+2*(y+4*(x+5*c))] = rgb[i]
	}
	for name, body := range map[string][]byte{
		"bytes":   array("|u1", "False", "2, 4, 5, 3", rgb),
		"floats":  array("<f4", "False", "2, 4, 5, 3", floatsOf(rgb, 0)),
		"rounded": array("<f4", "False", "2, 4, 5, 3", floatsOf(rgb, 0.25)),
		"doubles": array(">f8", "False", "2, 4, 5, 3", doubles),
		"longs":   array("<i8", "False", "2, 4, 5, 3", longs),
		"columns": array("|u1", "True", "2, 4, 5, 3", byColumns),
	} {
		if got := answered(t, postNPY(s, body, "Accept", typeNPY), 2); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	one := array("|u1", "False", "4,5,3", rgb[60:])
	for _, kind := range []string{typeNPY, typeBytes, ""} { // told by its mark where nothing says what it is
		w := do(s.Handler(), http.MethodPost, "/invocations?top_k=1", one, "Content-Type", kind)
		wantStatus(t, w, http.StatusOK, `{"predictions":[{"label":"red"`)
	}
	wantStatus(t, postNPY(s, array("|u1", "False", "1,4,5,3", rgb[:60])), http.StatusOK, `{"predictions":[{"predictions":[`)
	lines := do(s.Handler(), http.MethodPost, "/invocations?top_k=1", instances(t, pngs[:]...), "Content-Type", typeJSON,
		"Accept", typeNPY)
	if got := answered(t, lines, 2); !slices.Equal(got, want) {
		t.Errorf("files: got %v, want %v", got, want)
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?embedding=1", pngs[0], "Accept", typeNPY),
		http.StatusNotAcceptable, typeNPY)
	wantStatus(t, postNPY(newServer(t, &fake{}, Config{DefaultAccept: typeNPY}), one), http.StatusOK, npy.Mark)
}

// A picture that cannot be read has NaN where others keep their answers.
func TestArrayOfAnErrorInPlace(t *testing.T) {
	s := newServer(t, &fake{}, Config{Placeholders: true})
	pngs, _ := twoPictures(t)
	got := answered(t, do(s.Handler(), http.MethodPost, "/invocations", instances(t, []byte("no picture"), pngs[1]),
		"Content-Type", typeJSON, "Accept", typeNPY), 2)
	for i, v := range got[:3] {
		if !math.IsNaN(v) {
			t.Errorf("value %d: got %v, want NaN", i, v)
		}
	}
	if want := ordered(expect(t, pngs[1])); !slices.Equal(got[3:], want) {
		t.Errorf("got %v, want %v", got[3:], want)
	}
}

func TestArraysRefused(t *testing.T) {
	s := newServer(t, &fake{}, Config{MaxRecords: 2, MaxHeldBytes: 1 << 20, MaxBodyBytes: 1 << 20})
	_, rgb := twoPictures(t)
	for name, c := range map[string]struct {
		body  []byte
		fault string
		code  int
	}{
		"no array":    {[]byte("\xff\xd8\xff"), "not an .npy file", 400},
		"cut":         {array("|u1", "False", "1,4,5,3", rgb[:59]), "bytes, want", 400},
		"longer":      {array("|u1", "False", "1,4,5,3", rgb[:61]), "bytes, want", 400},
		"planes":      {array("|u1", "False", "1,3,4,5", rgb[:60]), "[1 3 4 5], want [N,H,W,3]", 400},
		"grey":        {array("|u1", "False", "4,5", rgb[:20]), "[4 5], want", 400},
		"no pixels":   {array("|u1", "False", "1,0,5,3", nil), "[1 0 5 3]", 400},
		"no pictures": {array("|u1", "False", "0,4,5,3", nil), "no pictures", 400},
		"texts":       {array("<U1", "False", "1,1,1,3", make([]byte, 12)), "of texts", 400},
		"objects":     {array("|O", "False", "1,1,1,3", make([]byte, 24)), "descr", 400},
		"many axes":   {array("|u1", "False", strings.Repeat("100000000000000000,", 63)+"0", nil), "and 56 more], which no file holds", 400},
		"long":        {array(strings.Repeat("\xff", 40_000), "False", "1", nil), "descr", 400},
		"huge":        {array("|u1", "False", "99999999999,99999999999,1,3", nil), "no file holds", 400},
		"many":        {array("|u1", "False", "3,1,1,3", rgb[:9]), "limit of 2", 413},
		"below":       {array("<f4", "False", "1,1,1,3", floatsOf([]byte{0, 1, 2}, -0.5)), "value 0 of the array is -0.5", 400},
		"above":       {array("<f4", "False", "1,1,1,3", floatsOf([]byte{255, 1, 2}, 1)), "is 256, want", 400},
		"none":        {array("<f4", "False", "1,1,1,3", floatsOf([]byte{0, 1, 2}, float32(math.NaN()))), "NaN", 400},
		"scaled":      {array("<f4", "False", "1,1,1,3", floatsOf([]byte{0, 0, 0}, 0.5)), "multiply them by 255", 400},
		"too large":   {array("|u1", "False", "1,500,600,3", make([]byte, 900_000)), "more than the limit", 413},
	} {
		w := postNPY(s, c.body)
		if !strings.Contains(w.Body.String(), c.fault) || w.Code != c.code || w.Body.Len() > 500 {
			t.Errorf("%s: got %d %s, want %d %q", name, w.Code, w.Body, c.code, c.fault)
		}
	}
	wantStatus(t, postNPY(s, array("<f4", "False", "1,1,1,3", floatsOf([]byte{0, 1, 1}, 0))), http.StatusOK, "") // almost black
	if n := s.bodies.used.Load(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// TestArraysOfNumPy sends what NumPy saves, and has it load what comes back.
func TestArraysOfNumPy(t *testing.T) {
	s := newServer(t, &fake{}, Config{})
	base, _ := start(t, s)
	pngs, rgb := twoPictures(t)
	want, err := json.Marshal([][]float64{ordered(expect(t, pngs[0])), ordered(expect(t, pngs[1]))})
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := json.Marshal(slices.Collect(func(yield func(int) bool) {
		for _, v := range rgb {
			if !yield(int(v)) {
				return
			}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	datatest.Python(t, "numpy", "-c", `
import io, json, sys, urllib.request
import numpy as np
url, numbers, want = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
x = np.array(numbers).reshape(2, 4, 5, 3)
for a in x.astype("u1"), x.astype("f4"), x.astype(">f8"), x, np.asfortranarray(x.astype("u1")):
    b = io.BytesIO(); np.save(b, a)
    r = urllib.request.Request(url, b.getvalue(), {"Content-Type": "application/x-npy", "Accept": "application/x-npy"})
    got = np.load(io.BytesIO(urllib.request.urlopen(r).read()))
    assert got.dtype == "f8" and got.tolist() == want, (a.dtype, got, want)
`, base+"/invocations", string(numbers), string(want))
}
