package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/boundtest"
)

// skipUnderRace leaves out of the short run under the race detector what measures time and memory,
// of which that takes ten times as much.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if raceEnabled && testing.Short() {
		t.Skip("measures time and memory, of which the race detector takes ten times as much")
	}
}

// Whatever a body is, parsing it takes what its records take, and an error comes before the whole
// is built up.
func TestHostileParsingHoldsNothing(t *testing.T) {
	skipUnderRace(t)
	const size = 8 << 20
	repeat := func(before, text, after string) []byte {
		return []byte(before + strings.TrimSuffix(strings.Repeat(text, size/len(text)), ",") + after)
	}
	var keys strings.Builder
	for i := 0; keys.Len() < size; i++ {
		fmt.Fprintf(&keys, `"k%d":0,`, i)
	}
	distinct := strings.TrimSuffix(keys.String(), ",")
	picture := base64.StdEncoding.EncodeToString(make([]byte, size/2))
	for name, c := range map[string]struct {
		kind, infer string
		body        []byte
		fault       string
	}{
		"commas":         {kind: typeCSV, body: repeat("", ",", ""), fault: "2 columns"},
		"quotes":         {kind: typeCSV, body: repeat("", `"",`, ""), fault: "2 columns"},
		"keys":           {kind: typeJSON, body: []byte("{" + distinct + "}"), fault: "more keys than one"},
		"keys of one":    {kind: typeJSON, body: []byte(`{"instances":[{` + distinct + `}]}`), fault: "2 keys"},
		"keys of a line": {kind: typeJSONLines, body: []byte("{" + distinct + "}"), fault: "2 keys"},
		"parameters":     {kind: typeJSON, body: []byte(`{"parameters":{` + distinct + `},"b64":"aGk="}`), fault: "unknown option"},
		"signature":      {kind: typeJSON, body: repeat(`{"signature_name":[`, "{},", `],"b64":""}`), fault: "no bytes"},
		"instances":      {kind: typeJSON, body: repeat(`{"instances":[`, "{},", "]}"), fault: "limit of 4096"},
		"deep":           {kind: typeJSON, body: repeat("", "[", ""), fault: "JSON object"},
		"deep value":     {kind: typeJSON, body: repeat(`{"b64":`, "[", ""), fault: "deeply"},
		"one long key":   {kind: typeJSON, body: repeat(`{"`, "a", `":{}}`), fault: "neither"},
		"a long URL":     {kind: typeJSON, body: repeat(`{"url":"`, "a", `"}`), fault: "too long"},
		"form fields": {kind: typeMultipart,
			body: repeat("", "--b\r\nContent-Disposition: form-data; name=top_k\r\n\r\n1\r\n", "--b--"), fault: "fields"},
		"an array's header": {kind: typeNPY, body: []byte("\x93NUMPY\x02\x00\x00\x00\x01\x00" + strings.Repeat(" ", size)), fault: "header"},
		"an array's axes":   {kind: typeNPY, body: array("|u1", "False", strings.Repeat("1,", 1<<14), repeat("", "a", "")), fault: "shape"},
		"many in an array":  {kind: typeNPY, body: array("|u1", "False", "2796202,1,1,3", make([]byte, 2796202*3)), fault: "limit of 4096"},
		"a picture":         {kind: typeJSON, body: []byte(`{"b64":"` + picture + `"}`)},
		"a picture a row":   {kind: typeCSV, body: []byte(`"` + picture + `"`)},
		"a picture a line":  {kind: typeJSONLines, body: []byte(`"` + picture + `"`)},
		"a file of a form": {kind: typeMultipart,
			body: []byte("--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n" + picture + "\r\n--b--")},
		"inputs":            {infer: "2 inputs", body: repeat(`{"inputs":[`, "{},", "]}")},
		"outputs":           {infer: "twice", body: repeat(`{"outputs":[`, `{"name":"bottleneck"},`, "]}")},
		"other keys":        {infer: "0 inputs", body: []byte("{" + distinct + "}")},
		"a long shape":      {infer: "inputs.shape", body: repeat(`{"inputs":[{"shape":[`, "1,", "]}]}")},
		"a long id":         {infer: "\"id\" takes", body: repeat(`{"id":"`, "a", `"}`)},
		"too few values":    {infer: "more than", body: repeat(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[4000000],"data":[`, "1,", "]}]}")},
		"data in a nesting": {infer: "deeply", body: repeat(`{"inputs":[{"data":`, "[", "")},
	} {
		t.Run(name, func(t *testing.T) {
			p := requestParser{maxRecords: DefaultMaxRecords}
			var records []record
			var err error
			kind := mediaType{name: c.kind, params: map[string]string{"boundary": "b"}}
			fault := c.fault
			took := boundtest.Allocated(func() {
				if fault += c.infer; c.infer != "" {
					_, records, err = p.infer("", c.body, fakeSize)
				} else {
					records, _, err = p.parse(kind, c.body, &options{})
				}
			})
			if err == nil && len(records) > 0 {
				err = records[0].err
			}
			if fault == "" && err != nil || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
				t.Errorf("got %v, want %q", err, fault)
			}
			if limit := uint64(4 << 20); took > limit { // mostly of 4,096 records
				t.Errorf("took %d bytes for a body of %d, want at most %d", took, len(c.body), limit)
			}
		})
	}
}

// A request that has ended is parsed no further.
func TestHostileParsingEndsWithItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := requestParser{maxRecords: 9, ctx: ctx}
	for kind, body := range map[string]string{
		typeJSON: `{"b64":"aGk="}`, typeJSONLines: `"aGk="`, typeCSV: "aGk=",
		typeMultipart: "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\na\r\n--b--",
	} {
		if _, _, err := p.parse(mediaType{name: kind, params: map[string]string{"boundary": "b"}}, []byte(body),
			&options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the request's end", kind, err)
		}
	}
	if _, _, err := p.infer("", []byte(`{"inputs":[]}`), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("infer: got %v, want the request's end", err)
	}
}

// many answers with as many labels as a test asks for.
type many struct {
	*fake
	labels []string
}

func (m many) Model() *inception.Model {
	model := m.fake.Model()
	model.Labels = m.labels
	return model
}

func (m many) Classify(_ context.Context, inputs ...*inception.Input) ([]inception.Result, error) {
	results := make([]inception.Result, len(inputs))
	for i := range results {
		for k, label := range m.labels {
			results[i].Predictions = append(results[i].Predictions,
				inception.Prediction{Label: label, Probability: 1 / float64(k+3)})
		}
		results[i].Bottleneck = []float32{-1.2345678e-30, 2.3456789e-20, 3e10}
	}
	return results, nil
}

// The bound of an answer is known before, holds, and is asked of the budget.
func TestHostileAnswersAreBounded(t *testing.T) {
	var labels []string
	for i := range 500 {
		labels = append(labels, fmt.Sprintf("l\"<é>,%d", i))
	}
	c := many{&fake{}, labels}
	s := newServer(t, c, Config{})
	var pictures [][]byte
	for range 20 {
		pictures = append(pictures, colorPNG(t, 3, 2, red))
	}
	for _, compat := range []Compat{CompatNone, CompatBuiltin, CompatTFBlog} {
		for _, form := range []string{typeJSON, typeVerboseJSON, typeJSONLines, typeCSV, typeNPY} {
			for _, o := range []options{{topK: 1}, {topK: 7}, {topK: -1}, {topK: 2, embedding: true}} {
				a := responseWriter{form: form, compat: compat, layout: layoutInstances, opts: o, model: s.current}
				if a.check() != nil {
					continue
				}
				results, err := c.Classify(t.Context(), make([]*inception.Input, 3)...)
				if err != nil {
					t.Fatal(err)
				}
				got, err := a.write(t.Context(), results)
				if err != nil {
					t.Fatal(err)
				}
				if n, most := len(bytes.Join(got, nil)), 3*a.size().text; int64(n) > most {
					t.Errorf("%q %s %+v: %d bytes, want at most %d", compat, form, o, n, most)
				}
			}
		}
	}
	body := instances(t, pictures...)
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?top_k=0", bytes.Clone(body)), http.StatusOK, "l")
	s = newServer(t, c, Config{MaxAnswerBytes: 100 << 10})
	for _, target := range []string{"/invocations?top_k=0", "/invocations"} {
		w := do(s.Handler(), http.MethodPost, target, bytes.Clone(body), "Accept", typeVerboseJSON)
		wantStatus(t, w, http.StatusRequestEntityTooLarge, "top_k")
	}
	wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations?top_k=3", bytes.Clone(body)), http.StatusOK, "l")
	data := `["` + strings.Repeat(base64.StdEncoding.EncodeToString(pictures[0])+`","`, 19) +
		base64.StdEncoding.EncodeToString(pictures[0]) + `"]`
	infer := `{"inputs":[{"name":"image","datatype":"BYTES","shape":[20],"data":` + data + `}]}`
	wantStatus(t, do(s.Handler(), http.MethodPost, "/v2/models/model/infer", []byte(infer)),
		http.StatusRequestEntityTooLarge, "20 pictures")
	s = newServer(t, c, Config{MaxHeldBytes: 1 << 20, MaxAnswerBytes: 1 << 20})
	if n := s.bodies.used.Load(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// An answer is made no longer than its request lasts.
func TestHostileAnswerEndsWithItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := newModel("m", &fake{}, newPipeline(Config{}.withDefaults(), newMetrics(&Server{})))
	defer m.abandon()
	results := []inception.Result{{Predictions: rank(1, 2, 3)}}
	for _, form := range []string{typeJSON, typeCSV, typeJSONLines, typeNPY} {
		if _, err := (responseWriter{form: form, model: m}).write(ctx, results); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the request's end", form, err)
		}
	}
	if _, _, err := m.inferAnswer(ctx, &inferRequest{Outputs: []wantedOutput{{Name: outputProbs}}},
		make([]inferTensor, 1), results); !errors.Is(err, context.Canceled) {
		t.Errorf("infer: got %v, want the request's end", err)
	}
}

// Thousands of connections that send a header and little more do not keep the others out: what is
// reserved is what has arrived.
func TestHostileSlowConnections(t *testing.T) {
	slow := 2100
	if testing.Short() {
		slow = 300
	}
	s := newServer(t, &fake{}, Config{MaxHeldBytes: int64(slow) * 8 << 10, MaxBodyBytes: 1 << 20})
	url, _ := start(t, s)
	for range slow {
		conn := dial(t, url)
		if _, err := io.WriteString(conn, "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"+
			"Content-Length: 1000000\r\n\r\n"+strings.Repeat("x", 100)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the slow ones to be read", func() bool { return s.bodies.used.Load() >= int64(slow)*firstRead })
	for range 20 {
		wantStatus(t, do(s.Handler(), http.MethodPost, "/invocations", colorPNG(t, 4, 3, red)), http.StatusOK, "red")
	}
}

// A few requests that hold much leave room for those that hold little.
func TestHostileLargeBodiesLeaveRoom(t *testing.T) {
	b := &budget{limit: 128 << 20}
	large := []*ledger{{budget: b}, {budget: b}, {budget: b}, {budget: b}}
	taken := 0
	for _, l := range large {
		if l.take(32<<20) == nil {
			taken++
		}
	}
	if taken != 3 {
		t.Errorf("%d requests of a quarter each were let in, want 3", taken)
	}
	small := &ledger{budget: b}
	if err := small.take(1 << 20); err != nil {
		t.Errorf("a small request: %v", err)
	}
	if err := (&ledger{budget: b}).take(129 << 20); asStatus(err).code != http.StatusRequestEntityTooLarge {
		t.Errorf("more than there is: got %v, want 413", err)
	}
	for _, l := range append(large, small) {
		l.release()
	}
	if n := b.used.Load(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
	if err := (&ledger{budget: b}).take(128 << 20); err != nil {
		t.Errorf("one alone: %v", err)
	}
}

// A length that no server takes is refused before anything of it arrives.
func TestHostileLengthIsRefusedAtOnce(t *testing.T) {
	url, _ := start(t, newServer(t, &fake{}, Config{}))
	conn := dial(t, url)
	if _, err := io.WriteString(conn,
		"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000000000000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	begin, answer := time.Now(), make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 413" ||
		time.Since(begin) > drainTime/2 {
		t.Errorf("got %q after %v, %v; want 413 at once", answer, time.Since(begin), err)
	}
}

// Small pictures pass large ones that wait for room, and large ones come in all the same.
func TestHostileSmallPicturesPass(t *testing.T) {
	r := &room{limit: 1 << 20}
	enter := func(need int64) (<-chan func(), context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		in := make(chan func(), 1)
		go func() {
			if release, err := r.acquire(ctx, need); err == nil {
				in <- release
			}
			close(in)
		}()
		return in, cancel
	}
	waits := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.waiting)
	}
	first, _ := enter(700 << 10)
	release := <-first
	second, _ := enter(700 << 10)
	eventually(t, "the second to wait", func() bool { return waits() == 1 })
	third, leave := enter(700 << 10)
	eventually(t, "the third to wait", func() bool { return waits() == 2 })
	var small []func()
	for range 16 {
		in, _ := enter(16 << 10)
		small = append(small, <-in) // at once
	}
	late, _ := enter(16 << 10)
	eventually(t, "small ones not to take the room of large ones", func() bool { return waits() == 3 })
	leave()
	<-third
	release()
	release = <-second
	small = append(small, <-late)
	for _, r := range append(small, release) {
		r()
	}
	if r.small != 0 || r.large != 0 || len(r.waiting) != 0 || r.waitingOfLarge != 0 {
		t.Errorf("left over: %+v", r)
	}
}

// Who has fewer pictures under way gets the next place, and one of four who has waited longest.
func TestHostileManyPicturesLetOnePass(t *testing.T) {
	p := newPlaces(1)
	if err := p.enter(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	order := make(chan int64, 8)
	for i, rank := range []int64{5, 1, 2, 0, 3, 4} {
		go func() {
			if p.enter(t.Context(), rank) == nil {
				order <- rank
				p.leave()
			}
		}()
		eventually(t, "it to wait", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.waiting) == i+1
		})
	}
	p.leave()
	for _, want := range []int64{0, 1, 2, 5, 3, 4} {
		if got := <-order; got != want {
			t.Errorf("got the one of rank %d, want %d", got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.enter(ctx, 0); err == nil {
		t.Error("got a place for a request that has ended")
	}
	eventually(t, "the place to be free", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.free == 1 && len(p.waiting) == 0
	})
}

// passes is a fake that tells the first value of each picture of a pass, and waits to be let on.
type passes struct {
	*fake
	saw chan []float32
	on  chan struct{}
}

func (p passes) Classify(ctx context.Context, inputs ...*inception.Input) ([]inception.Result, error) {
	var firsts []float32
	for _, in := range inputs {
		firsts = append(firsts, in.Pixels[0])
	}
	p.saw <- firsts
	<-p.on
	return p.fake.Classify(ctx, inputs...)
}

// Of decoded pictures those of requests of one come first, and one of four is of a request of many,
// also of a pass after one with requests of one.
func TestHostileManyPicturesShareThePasses(t *testing.T) {
	f := passes{&fake{}, make(chan []float32, 9), make(chan struct{})}
	p := newPipeline(Config{MaxBatch: 4}.withDefaults(), newMetrics(&Server{}))
	b := newBatcher(f, p)
	defer b.close()
	submit := func(value float32, further bool) *task {
		in := &inception.Input{Pixels: make([]float32, 3*fakeSize*fakeSize)}
		in.Pixels[0] = value
		task, err := b.submit(t.Context(), in, further)
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
	tasks := []*task{submit(0, false)}
	if got := <-f.saw; len(got) != 1 {
		t.Fatalf("the first pass has %v", got)
	}
	for i := range 4 { // all wait while it runs
		tasks = append(tasks, submit(float32(100+i), true))
	}
	for i := range 6 {
		tasks = append(tasks, submit(float32(1+i), false))
	}
	for _, want := range [][]float32{{1, 2, 100, 3}, {4, 5, 101, 6}, {102}, {103}} {
		f.on <- struct{}{}
		if got := <-f.saw; !slices.Equal(got, want) {
			t.Errorf("a pass of %v, want %v", got, want)
		}
	}
	f.on <- struct{}{}
	for _, task := range tasks {
		if _, _, err := task.wait(); err != nil {
			t.Error(err)
		}
	}
}

// The reader of JSON takes what encoding/json takes, but for what is nested very deeply.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,true,false,null,"\u00e9\n"],"b":{}}`, `[]`, `01`, `-`, `1.`, `"\u12x4"`, "\"\x01\"", `{"a":1,}`, `[1,]`,
		` {"a" : 1 } `, `nul`, `1e`, `"`, `{`, `[[]`, "\xff", `{"a" 1}`, `{,}`, `"\x"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) || bytes.Count(text, []byte("[")) > deepestJSON ||
			bytes.Count(text, []byte("{")) > deepestJSON {
			t.Skip("a byte order mark, or deep")
		}
		s := newScanner(t.Context(), text)
		_, err := s.value()
		s.peek()
		if got, want := err == nil && s.at == len(s.data), json.Valid(text); got != want {
			t.Errorf("%q: got %v (%v), want %v", text, got, err, want)
		}
	})
}

// The reader of CSV takes what encoding/csv takes.
func FuzzCSVRow(f *testing.F) {
	for _, s := range []string{"a\nb\r\n\"c\"\"d\"\n", "a,b\nc", "\"\n\"", "a\"b", "\"a\"b", "\r", "\r\n\na\r", ",,\n",
		"\"a\r\nb\",c\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := csv.NewReader(bytes.NewReader(text))
		r.FieldsPerRecord = -1
		var want [][]string
		wide := false
		for {
			row, err := r.Read()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					want = append(want, nil)
				}
				break
			}
			wide = wide || len(row) > 1
			want = append(want, row)
		}
		rest, at := bytes.Clone(text), 0
		for len(rest) > 0 {
			row, next, err := cutRow(t.Context(), rest)
			if err != nil {
				t.Fatal(err)
			}
			if rest = next; row.blank {
				continue
			}
			if at == len(want) {
				t.Fatalf("%q: more rows than %d", text, at)
			}
			w := want[at]
			at++
			if row.malformed != (w == nil) {
				t.Fatalf("%q: row %d is malformed: %v, want %v", text, at, row.malformed, w == nil)
			}
			if w == nil {
				break
			}
			got := strings.ReplaceAll(string(row.cell), "\r\n", "\n")
			if got != w[0] || row.wide != (len(w) > 1) {
				t.Fatalf("%q: row %d is %q, %v; want %q", text, at, got, row.wide, w)
			}
		}
		if at != len(want) {
			t.Errorf("%q: got %d rows, want %d", text, at, len(want))
		}
	})
}

// A small file whose scans make it slow counts as what it takes to decode.
func TestHostileManyScans(t *testing.T) {
	skipUnderRace(t)
	for _, c := range []struct {
		name string
		data []byte
		slow bool
	}{
		{"a photograph", photo(t, 0, 640, 480), false},
		{"ten scans", manyScans(640, 480, 10), false},
		{"many scans", manyScans(640, 480, 200), true},
		{"a large photograph", photo(t, 0, 3000, 2000), true},
	} {
		in := &inception.Input{Data: c.data}
		if err := in.ReadHeader(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := work(in) > largePicture; got != c.slow {
			t.Errorf("%s: slow is %v, want %v", c.name, got, c.slow)
		}
	}
	p := newPipeline(Config{MaxDecodeBytes: 100 << 20}.withDefaults(), newMetrics(&Server{}))
	head := []byte("\xff\xd8\xff\xc2\x00\x11\x08\x0f\xa0\x0f\xa0\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00\xff\xda")
	in := &inception.Input{Data: head} // progressive, 4000x4000, three components of full size
	if _, err := p.room(t.Context(), in); asStatus(err).code != http.StatusRequestEntityTooLarge {
		t.Errorf("coefficients beyond the room of all decoders: got %v, want 413", err)
	}
	if _, _, err := picture.Decode(manyScans(64, 48, 9), picture.Limits{}); err != nil {
		t.Errorf("the made-up picture is not one: %v", err)
	}
}
