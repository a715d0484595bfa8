package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/draw"
)

// table reads a Parquet file.
func table(t *testing.T, data string) arrow.Record {
	t.Helper()
	got, err := pqarrow.ReadTable(t.Context(), bytes.NewReader([]byte(data)), parquet.NewReaderProperties(memory.DefaultAllocator),
		pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	r := array.NewTableReader(got, 1<<20)
	if !r.Next() {
		t.Fatal("the file has no rows")
	}
	rows := r.RecordBatch()
	rows.Retain()
	return rows
}

// TestParquetBottlenecks: Parquet holds what the product's own shards do.
func TestParquetBottlenecks(t *testing.T) {
	dir := drawn(t, 3)
	own, other := filepath.Join(t.TempDir(), "own"), filepath.Join(t.TempDir(), "parquet")
	ran(t, own, dir)
	ran(t, other, "--format", "parquet", dir)
	places, err := shards.Find(own)
	if err != nil {
		t.Fatal(err)
	}
	set, err := shards.OpenSet(t.Context(), places)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := set.Paths(t.Context(), []int{0, 1, 2, 3, 4, 5, 6, 7, 8})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range written(t, other) {
		rows := table(t, data)
		list, ok := rows.Schema().Field(4).Type.(*arrow.FixedSizeListType)
		if rows.NumRows() != 9 || !ok || list.Len() != int32(set.Key.Features) || list.Elem() != arrow.FixedWidthTypes.Float16 {
			t.Fatalf("%s: got %d rows of %s, want 9 with %d features", name, rows.NumRows(), rows.Schema(), set.Key.Features)
		}
		values := rows.Column(4).(*array.FixedSizeList).ListValues().(*array.Float16)
		err := set.Each(t.Context(), shards.Stream{}, func(b *shards.Block) error {
			defer b.Release()
			for i := range b.Len() {
				sum := b.Sum(i)
				if got := rows.Column(0).(*array.String).Value(i); got != paths[i] {
					t.Errorf("row %d: got %s, want %s", i, got, paths[i])
				}
				if got := rows.Column(1).(*array.String).Value(i); got != hex.EncodeToString(sum[:]) {
					t.Errorf("row %d: got the digest %s, want %x", i, got, sum)
				}
				if got := rows.Column(2).(*array.String).Value(i); got != set.Labels[b.Labels[i]] || !rows.Column(3).IsNull(i) {
					t.Errorf("row %d: got the label %s, want %s and no part", i, got, set.Labels[b.Labels[i]])
				}
				for k := range set.Key.Features {
					at := i*set.Key.Features + k
					if got := values.Value(at).Uint16(); got != uint16(b.Features[2*at])|uint16(b.Features[2*at+1])<<8 {
						t.Fatalf("row %d: value %d is another: %#x", i, k, got)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// answered is what the classifier answers for the drawn pictures, one of which cannot be read.
func answered(t *testing.T, model string, paths []string, top int) (rows []answer.Row) {
	t.Helper()
	m, err := convert.OpenModel(model, convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := inception.NewClassifier(m, (&Job{}).engine())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.ClassifyAll(context.Background(), len(paths), func(i int) ([]byte, error) { return read(t, paths[i]), nil },
		func(i int, r inception.Result) error {
			rows = append(rows, answer.Of(paths[i], r, top))
			return nil
		}, inception.EmbedConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestPredictions: each format holds what the classifier answers, and a row for a picture that cannot be
// read.
func TestPredictions(t *testing.T) {
	dir, model := drawn(t, 2), filepath.Join("..", "..", "testdata", "models", "model-1.tar.gz")
	write(t, []byte("\xff\xd8\xff\xe0 no picture"), dir, draw.Label(1), "0001.jpg")
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	want := answered(t, model, paths, 2)
	one := func(format string) string {
		out := filepath.Join(t.TempDir(), "out")
		if s := ran(t, out, "--model", model, "--top", "2", "--format", format, dir); s.Rows != 6 || s.Dead != 1 || len(s.Shards) != 1 {
			t.Fatalf("%s: got %+v, want 6 rows, one of a picture that cannot be read", format, s)
		}
		for _, data := range written(t, out) {
			return data
		}
		return ""
	}
	var lines bytes.Buffer
	list := csv.NewWriter(&lines)
	if err := list.Write(answer.Header(2, false)); err != nil {
		t.Fatal(err)
	}
	var objects strings.Builder
	object := json.NewEncoder(&objects)
	object.SetEscapeHTML(false)
	for _, r := range want {
		if err := object.Encode(r); err != nil {
			t.Fatal(err)
		}
		if err := list.Write(r.Cells(2, false)); err != nil {
			t.Fatal(err)
		}
	}
	list.Flush()
	if got := one("csv"); got != lines.String() {
		t.Errorf("csv: got\n%swant\n%s", got, lines.String())
	}
	if got := one("json"); got != objects.String() {
		t.Errorf("json: got\n%swant\n%s", got, objects.String())
	}
	rows := table(t, one("parquet"))
	for i, r := range want {
		cells := r.Cells(2, false)
		for k, name := range answer.Header(2, false) {
			column, got := rows.Column(k), ""
			switch c := column.(type) {
			case *array.String:
				got = c.Value(i)
			case *array.Float64:
				if got = strconv.FormatFloat(c.Value(i), 'g', -1, 32); c.IsNull(i) {
					got = ""
				}
			case *array.Boolean:
				if got = strconv.FormatBool(c.Value(i)); c.IsNull(i) {
					got = ""
				}
			}
			if got != cells[k] || column.IsNull(i) != (cells[k] == "") {
				t.Errorf("picture %d: %s is %q, want %q", i, name, got, cells[k])
			}
		}
	}
}
