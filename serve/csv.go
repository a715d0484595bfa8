package serve

import (
	"bytes"
	"context"
)

// csvRow is one row of CSV, of which only the first cell counts.
type csvRow struct {
	cell      []byte
	lines     int  // that the row takes
	wide      bool // there are more cells
	blank     bool
	malformed bool
}

// cutRow cuts the first row off data as encoding/csv does, but for its cells beyond the first,
// which it passes over. The first cell stands where it stood, its quotes undone.
func cutRow(ctx context.Context, data []byte) (row csvRow, rest []byte, err error) {
	row.lines, row.blank = 1, data[0] == '\n' || bytes.HasPrefix(data, []byte("\r\n")) || string(data) == "\r"
	for cells := 0; ; cells++ {
		if cells%readUnlooked == readUnlooked-1 && ctx.Err() != nil {
			return row, nil, ctx.Err()
		}
		end := 0
		if len(data) > 0 && data[0] == '"' {
			end = row.quoted(data, cells == 0)
		} else {
			end = row.bare(data, cells == 0)
		}
		if row.malformed {
			return row, nil, nil
		}
		switch data = data[end:]; {
		case len(data) == 0 || string(data) == "\r":
			return row, nil, nil
		case data[0] == '\n':
			return row, data[1:], nil
		case bytes.HasPrefix(data, []byte("\r\n")):
			return row, data[2:], nil
		case data[0] != ',':
			row.malformed = true // behind a quote
			return row, nil, nil
		}
		row.wide = true
		data = data[1:]
	}
}

// bare reads a cell without quotes and returns where it ends.
func (row *csvRow) bare(data []byte, first bool) (end int) {
	for end < len(data) && data[end] != ',' && data[end] != '\n' {
		if data[end] == '"' {
			row.malformed = true
			return end
		}
		end++
	}
	if end > 0 && data[end-1] == '\r' && (end == len(data) || data[end] == '\n') {
		end--
	}
	if first {
		row.cell = data[:end:end]
	}
	return end
}

// quoted reads a cell with quotes and returns where it ends. A quote in it stands twice.
func (row *csvRow) quoted(data []byte, first bool) (end int) {
	n := 1
	for end = 1; ; {
		i := bytes.IndexByte(data[end:], '"')
		if i < 0 {
			row.malformed = true
			return end
		}
		twice := end+i+1 < len(data) && data[end+i+1] == '"'
		text := data[end : end+i]
		if twice {
			text = data[end : end+i+1]
		}
		row.lines += bytes.Count(text, []byte("\n"))
		end += len(text) + 1
		if first {
			n += copy(data[n:], text)
		}
		if !twice {
			break
		}
	}
	if first {
		row.cell = data[1:n:n]
	}
	return end
}
