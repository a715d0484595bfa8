package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
)

// done looks at the files, and puts labels and items in order.
func (m *manifest) done() (*Folder, error) {
	order := make([]int, len(m.names)) // new place to old
	for i := range order {
		order[i] = i
	}
	numbered := !slices.Contains(m.numbers, -1)
	slices.SortFunc(order, func(a, b int) int {
		if numbered {
			return m.numbers[a] - m.numbers[b]
		}
		return strings.Compare(m.names[a], m.names[b])
	})
	items := m.scan.folder.Items
	counts, lost := make([]int, len(m.names)), make([]bool, len(items))
	for i := range items {
		m.extend(&items[i])
		if lost[i] = !m.found(items[i].Path, m.lines[i]); lost[i] {
			continue
		}
		for _, l := range m.scan.folder.Set(i) {
			counts[l]++
		}
	}
	m.scan.folder.Items = nil
	place := make([]int, len(m.names)) // old place to new
	for _, old := range order {
		if counts[old] == 0 {
			m.scan.Add(m.file, fmt.Sprintf("label %q has no picture that can be read and was left out", m.names[old]))
			place[old] = -1
			continue
		}
		place[old] = len(m.scan.folder.Labels)
		m.scan.folder.Labels = append(m.scan.folder.Labels, m.names[old])
	}
	for i, it := range items {
		if !lost[i] {
			it.relabel(place, m.cfg.MultiLabel)
			m.scan.folder.Items = append(m.scan.folder.Items, it)
		}
	}
	out := m.scan.done()
	least := cmp.Or(m.cfg.MinLabels, 2)
	if n := len(out.Labels); n < least {
		also := ""
		if len(out.Problems) > 0 {
			also = fmt.Sprintf("; %d problems, the first: %s: %s", len(out.Problems), out.Problems[0].Path,
				out.Problems[0].Reason)
		}
		return nil, fmt.Errorf("dataset: manifest %q: %d lines give %d labels with pictures, want at least %d%s", m.file,
			m.rows, n, least, also)
	}
	return out, nil
}

// extend gives a path that names no file the extension with which it does.
func (m *manifest) extend(it *Item) {
	if pictureNamed(it.Path) {
		return
	}
	if path := m.there(it.Path); len(path) > len(it.Path) {
		m.ext = path[len(it.Path):]
		it.Path, it.Rel = path, it.Rel+m.ext
		if it.Key != "" {
			it.Key += m.ext
		}
	}
}

// there is the path of a file, with the extension that it may lack; "" where there is none, or
// another line has it.
func (m *manifest) there(path string) string {
	if _, err := m.store.Stat(path); err == nil {
		return path
	}
	if pictureNamed(path) {
		return ""
	}
	for _, ext := range append([]string{m.ext}, extensions[:]...) {
		if _, twice := m.at[path+ext]; ext == "" || twice {
			continue
		}
		if info, err := m.store.Stat(path + ext); err == nil && info.Mode().IsRegular() {
			return path + ext
		}
	}
	return ""
}

// found tells whether there is a picture at path; if not, it is a Problem.
func (m *manifest) found(path string, line int) bool {
	info, err := m.store.Stat(path)
	if err == nil && info.IsDir() {
		err = errors.New("is a folder, not a file")
	}
	if err == nil {
		var format string
		var ok bool
		if format, ok, err = m.scan.Sniff(path, info); err == nil && !ok {
			err = fmt.Errorf("is not a picture that can be read: it is %s", cmp.Or(format, "of no known format"))
		}
	}
	if err != nil {
		m.scan.Add(path, fmt.Sprintf("%s (line %d of %s)", source.Reason(err), line, m.list))
		return false
	}
	return true
}
