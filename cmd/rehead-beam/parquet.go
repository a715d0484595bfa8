package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/safetensors"
)

// bottlenecks are the rows of a Parquet shard:
//
//	path      string
//	sha256    string, hexadecimal, of the picture's bytes
//	label     string, null where nothing says one; several are parted by "|"
//	part      string: train, validation, test; null where none is given
//	features  fixed_size_list<float16>[F]
type bottlenecks struct {
	key     shards.Key
	builder *array.RecordBuilder
	row     []float16.Num
	n       int
}

// newBottlenecks is for rows of a key, about n of them.
func newBottlenecks(key shards.Key, n int) (*bottlenecks, error) {
	text, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	about := arrow.NewMetadata([]string{"rehead.key"}, []string{string(text)})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "path", Type: arrow.BinaryTypes.String},
		{Name: "sha256", Type: arrow.BinaryTypes.String},
		{Name: "label", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "part", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "features", Type: arrow.FixedSizeListOfNonNullable(int32(key.Features), arrow.FixedWidthTypes.Float16)},
	}, &about)
	b := &bottlenecks{key: key, builder: array.NewRecordBuilder(memory.DefaultAllocator, schema),
		row: make([]float16.Num, key.Features)}
	b.builder.Reserve(n)
	return b, nil
}

// Len implements shardFile.
func (b *bottlenecks) Len() int { return b.n }

// Add puts a row at the end. One that cannot be kept is an error and changes nothing.
func (b *bottlenecks) Add(r shards.Row) error {
	if len(r.Features) != b.key.Features {
		return fmt.Errorf("got %d features, want %d", len(r.Features), b.key.Features)
	}
	if !utf8.ValidString(r.Path) {
		return errors.New("the path is not UTF-8")
	}
	for i, v := range r.Features {
		h, ok := safetensors.Half(v)
		if !ok {
			return fmt.Errorf("value %d is %g, which float16 cannot hold", i, v)
		}
		b.row[i] = float16.FromBits(h)
	}
	text := func(field int) *array.StringBuilder { return b.builder.Field(field).(*array.StringBuilder) }
	text(0).Append(r.Path)
	text(1).Append(hex.EncodeToString(r.Sum[:]))
	if len(r.Labels) > 0 {
		text(2).Append(strings.Join(r.Labels, "|"))
	} else {
		text(2).AppendNull()
	}
	if r.Given {
		text(3).Append(partNames[r.Part])
	} else {
		text(3).AppendNull()
	}
	list := b.builder.Field(4).(*array.FixedSizeListBuilder)
	list.Append(true)
	list.ValueBuilder().(*array.Float16Builder).AppendValues(b.row, nil)
	b.n++
	return nil
}

var partNames = map[dataset.Split]string{dataset.Train: "train", dataset.Validation: "validation", dataset.Test: "test"}

// Encode implements shardFile; bottlenecks are hardly smaller when they are compressed.
func (b *bottlenecks) Encode(w io.Writer) error {
	return writeParquet(w, b.builder, parquet.WithDictionaryDefault(false),
		parquet.WithCompression(compress.Codecs.Uncompressed), parquet.WithStats(false))
}

// writeParquet writes what was built.
func writeParquet(w io.Writer, b *array.RecordBuilder, how ...parquet.WriterProperty) error {
	rows := b.NewRecordBatch()
	defer rows.Release()
	out, err := pqarrow.NewFileWriter(rows.Schema(), w, parquet.NewWriterProperties(how...),
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return fmt.Errorf("parquet: %w", err)
	}
	if err := out.Write(rows); err != nil {
		return errors.Join(fmt.Errorf("parquet: %w", err), out.Close())
	}
	return out.Close()
}

// parquet writes predictions, with the columns of the CSV: labels is a list, unknown is true, false or
// null, and what is not there is null.
func (a *answers) parquet(w io.Writer) error {
	text := arrow.BinaryTypes.String
	var fields []arrow.Field
	for _, name := range answer.Header(a.top, a.several) {
		field := arrow.Field{Name: name, Type: text, Nullable: name != "image"}
		switch {
		case strings.HasPrefix(name, "probability"):
			field.Type = arrow.PrimitiveTypes.Float64
		case name == "labels":
			field.Type = arrow.ListOfNonNullable(text)
		case name == "unknown":
			field.Type = arrow.FixedWidthTypes.Boolean
		}
		fields = append(fields, field)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, r := range a.rows {
		a.append(b.Fields(), r)
	}
	return writeParquet(w, b, parquet.WithCompression(compress.Codecs.Snappy))
}

// append puts a row at the end of the columns.
func (a *answers) append(columns []array.Builder, r answer.Row) {
	next := func() array.Builder {
		c := columns[0]
		columns = columns[1:]
		return c
	}
	next().(*array.StringBuilder).Append(strings.ToValidUTF8(r.Image, "\ufffd"))
	for n := range a.top {
		label, probability := next().(*array.StringBuilder), next().(*array.Float64Builder)
		if n >= len(r.Predictions) {
			label.AppendNull()
			probability.AppendNull()
			continue
		}
		label.Append(r.Predictions[n].Label)
		probability.Append(r.Predictions[n].Probability)
	}
	if a.several {
		list := next().(*array.ListBuilder)
		list.Append(r.Error == "")
		for _, l := range r.Labels {
			list.ValueBuilder().(*array.StringBuilder).Append(l)
		}
	}
	if unknown := next().(*array.BooleanBuilder); r.Unknown != nil {
		unknown.Append(*r.Unknown)
	} else {
		unknown.AppendNull()
	}
	if failed := next().(*array.StringBuilder); r.Error != "" {
		failed.Append(strings.ToValidUTF8(r.Error, "\ufffd"))
	} else {
		failed.AppendNull()
	}
}
