package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/par"
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
	for i := range items {
		m.extend(&items[i])
	}
	m.at = places{}
	lost, counts := m.look(items), make([]int, len(m.names))
	for i := range items {
		if lost[i] {
			continue
		}
		if !m.cfg.MultiLabel {
			counts[items[i].Label]++
		}
		for _, l := range items[i].Labels {
			counts[l]++
		}
	}
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
	m.scan.folder.Items = items[:0]
	for i := range items {
		if !lost[i] {
			items[i].relabel(place, m.cfg.MultiLabel)
			m.scan.folder.Items = append(m.scan.folder.Items, items[i])
		}
	}
	clear(items[len(m.scan.folder.Items):])
	out := m.scan.done()
	least := cmp.Or(m.cfg.MinLabels, 2)
	if n := len(out.Labels); n < least {
		also := ""
		if len(out.Problems) > 0 {
			also = fmt.Sprintf("; %d problems, the first: %s: %s", len(out.Problems), out.Problems[0].Path,
				out.Problems[0].Reason)
		}
		return nil, fmt.Errorf("dataset: manifest %q: %w: %d lines give %d labels with pictures, want at least %d%s", m.file,
			ErrFewLabels, m.rows, n, least, also)
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
	store, err := m.lies(path)
	if err != nil {
		return ""
	}
	if _, err := store.Stat(path); err == nil {
		return path
	}
	if pictureNamed(path) {
		return ""
	}
	for _, ext := range append([]string{m.ext}, extensions[:]...) {
		if _, twice := m.at.find(m.scan.folder.Items, path+ext); ext == "" || twice {
			continue
		}
		if info, err := store.Stat(path + ext); err == nil && info.Mode().IsRegular() {
			return path + ext
		}
	}
	return ""
}

// lies is the store of a path: that of the root, or for an address elsewhere the one that its scheme
// opens, which is opened once.
func (m *manifest) lies(path string) (source.Store, error) {
	scheme := source.Scheme(path)
	if scheme == "" || strings.HasPrefix(path, m.cfg.Root) {
		return m.store, nil
	}
	m.opening.Lock()
	defer m.opening.Unlock()
	if s := m.far[scheme]; s != nil {
		return s, nil
	}
	bucket, _, _ := strings.Cut(path[len(scheme)+len("://"):], "/")
	s, _, err := m.cfg.Addresses.Open(path[:len(scheme)+len("://")] + bucket)
	if err != nil {
		return nil, err
	}
	if m.far == nil {
		m.far = map[string]source.Store{}
	}
	m.far[scheme] = s
	return s, nil
}

// lookAtOnce is how many files are opened before what that left in memory is collected, which would
// grow to the size of the whole list otherwise.
const lookAtOnce = 1 << 17

// look tells of which items there is no picture; each of them is a Problem.
func (m *manifest) look(items []Item) (lost []bool) {
	lost = make([]bool, len(items))
	var mu sync.Mutex
	why := map[int]error{}
	threads := 4 * runtime.GOMAXPROCS(0) // most of the time a file system is waited for
	walkers := make([]*source.Walker, threads)
	for w := range walkers {
		walkers[w] = walker(m.store, m.cfg.Root, 0)
	}
	for from := 0; from < len(items); from += lookAtOnce {
		if len(items) > lookAtOnce {
			runtime.GC()
		}
		// nothing here fails or ends early
		_ = par.Each(context.Background(), threads, min(lookAtOnce, len(items)-from), func(worker, i int) error {
			i += from
			store, err := m.lies(items[i].Path)
			if err == nil {
				w := walkers[worker]
				w.Store = store
				err = found(store, w, items[i].Path)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				lost[i], why[i] = true, err
			}
			return nil
		})
	}
	for _, i := range slices.Sorted(maps.Keys(why)) {
		m.scan.Add(items[i].Path, fmt.Sprintf("%s (line %d of %s)", source.Reason(why[i]), m.lines[i], m.list))
	}
	return lost
}

// found says why there is no picture at path; nil where there is one.
func found(store source.Store, w *source.Walker, path string) error {
	info, err := store.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("is a folder, not a file")
	}
	format, ok, err := w.Sniff(path, info)
	if err == nil && !ok {
		err = fmt.Errorf("is not a picture that can be read: it is %s", cmp.Or(format, "of no known format"))
	}
	return err
}
