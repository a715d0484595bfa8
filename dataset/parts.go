package dataset

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
	"golang.org/x/text/unicode/norm"
)

// layout is what the folders below a root are.
type layout struct {
	store  source.Store
	root   string    // where the label folders or the parts are: the root, or the only folder in it
	parts  [3]string // names of the folders of the parts, where there are such
	within bool      // each label's folder holds those of the parts
	others []string  // folders beside the parts
	note   string    // what people should know of it
}

// inside is what lies directly in a folder.
type inside struct {
	folders  []string
	pictures bool
}

// lookInto reads the names in a folder, and its files until one is a picture.
func lookInto(store source.Store, dir string) (in inside, err error) {
	entries, err := store.ReadDir(dir)
	if err != nil {
		return in, fmt.Errorf("dataset: scan: cannot read the folder: %w", err)
	}
	w := walker(store, dir, 0)
	for _, e := range entries {
		if source.Housekeeping(e.Name()) {
			continue
		}
		info, err := store.Stat(w.At(e.Name()))
		if err == nil && info.IsDir() {
			in.folders = append(in.folders, e.Name())
		} else if err == nil && !in.pictures {
			_, in.pictures, _ = w.Sniff(w.At(e.Name()), info)
		}
	}
	return in, nil
}

// partNamed tells the part that a folder is named after, in any case.
func partNamed(name string) (Split, bool) {
	s, fixed, err := parseSplit(name)
	return s, fixed && err == nil
}

// findLayout tells what the folders below root are: labels, unless two or three of them are named
// like parts and hold folders of their own, or each of them holds nothing but such.
func findLayout(store source.Store, root string) (layout, error) {
	out := layout{store: store, root: root}
	top, err := lookInto(store, root)
	if err != nil {
		return out, err
	}
	w := walker(store, root, 0)
	var named []string
	for _, name := range top.folders {
		if _, ok := partNamed(name); ok {
			named = append(named, name)
		} else {
			out.others = append(out.others, name)
		}
	}
	switch {
	case len(named) > 1:
		return out, out.choose(w, named)
	case len(named) == 1 && len(out.others) > 0:
		out.note = fmt.Sprintf("the folder %q beside %q is read as a label, not as a part: to read its folders as labels, "+
			"name %s", named[0], out.others[0], w.At(named[0]))
	case len(top.folders) == 1 && !top.pictures:
		below := w.At(top.folders[0])
		in, err := lookInto(store, below)
		if err != nil || in.pictures || len(in.folders) == 0 {
			return out, nil //nolint:nilerr // reading the label says what is wrong
		}
		deeper, err := findLayout(store, below)
		if err == nil && len(named) == 1 && !deeper.divided() && len(in.folders) > 1 {
			deeper.note = fmt.Sprintf("read %s, the only folder there is: its folders are the labels", below)
		} else if err == nil && !deeper.divided() {
			return out, nil
		}
		return deeper, err
	case len(named) == 0 && len(top.folders) > 1 && !top.pictures:
		out.within = out.holdsParts(w, top.folders)
	}
	return out, nil
}

// divided tells whether the folders give the pictures their parts.
func (l *layout) divided() bool { return l.within || l.parts != [3]string{} }

// holdsParts tells whether each label's folder holds folders named like parts, two of them at least
// among all, and nothing else.
func (l *layout) holdsParts(w *source.Walker, labels []string) bool {
	var met [3]bool
	for _, label := range labels {
		in, err := lookInto(l.store, w.At(label))
		if err != nil || in.pictures || len(in.folders) == 0 {
			return false
		}
		for _, name := range in.folders {
			s, ok := partNamed(name)
			if !ok {
				return false
			}
			met[s] = true
		}
	}
	return met[Train] && (met[Validation] || met[Test])
}

// choose takes the folders named like parts for parts, unless none of them holds folders.
func (l *layout) choose(w *source.Walker, named []string) error {
	labels, flat := map[string]int{}, []string(nil)
	var twice [2]string
	for _, name := range named {
		in, err := lookInto(l.store, w.At(name))
		if err != nil || len(in.folders) == 0 {
			flat = append(flat, name)
		}
		for _, label := range in.folders {
			labels[norm.NFC.String(label)]++
		}
		s, _ := partNamed(name)
		if l.parts[s] != "" {
			twice = [2]string{l.parts[s], name}
		}
		l.parts[s] = name
	}
	shared := 0
	for _, n := range labels {
		shared += min(n-1, 1)
	}
	switch where := fmt.Sprintf("dataset: scan %q: the folders %s are named like parts", w.Root, quoted(named)); {
	case len(flat) == len(named) || shared == 0 && len(l.others) > 0:
		l.parts = [3]string{}
		l.note = fmt.Sprintf("the folders %s are read as labels, not as parts: they do not hold the same label folders",
			quoted(named))
	case len(flat) > 0:
		return fmt.Errorf("%s, but %q has no label folders in it: name the one to train on, such as %s, and those that "+
			"have labels with --validation-dir and --test-dir", where, flat[0], w.At(named[len(named)-1]))
	case twice[0] != "":
		return fmt.Errorf("%s, and %q and %q are both the one for %s: merge them or name the folders to use",
			where, twice[0], twice[1], partOfName(twice[0]))
	case l.parts[Train] == "":
		return fmt.Errorf("%s, but none is for training: name the one to read, such as %s", where, w.At(named[0]))
	case shared == 0:
		return fmt.Errorf("%s, but they have no label folder in common: name the one to train on, such as %s", where,
			w.At(l.parts[Train]))
	}
	return nil
}

func partOfName(name string) Split {
	s, _ := partNamed(name)
	return s
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}

// join reads each part with read, and makes one folder of them.
func (l *layout) join(read func(dir string, part Split) (*Folder, error)) (*Folder, error) {
	w := walker(l.store, l.root, 0)
	var parts [3]*Folder
	var named []string
	for s, name := range l.parts {
		if name == "" {
			continue
		}
		var err error
		if parts[s], err = read(w.At(name), Split(s)); err != nil {
			return nil, err
		}
		named = append(named, name)
	}
	out, err := Join(parts[Train], parts[Validation], parts[Test])
	if err != nil {
		return nil, fmt.Errorf("dataset: scan %q: the folders %s were read as parts: %w", l.root, quoted(named), err)
	}
	out.Root = l.root
	out.Notes = append(out.Notes, "read "+quoted(named)+" as parts of the data, and the folders in them as labels")
	for _, name := range l.others {
		out.Problems = append(out.Problems, source.Problem{Path: w.At(name),
			Reason: "lies beside " + quoted(named) + ", which were read as parts, and was left out"})
	}
	source.SortProblems(out.Problems)
	out.keepTrain()
	return out, nil
}

// fixWithin gives each picture the part whose folder it lies in, below its label's.
func (f *Folder) fixWithin() {
	for i := range f.Items {
		it := &f.Items[i]
		_, below, _ := strings.Cut(it.Rel, "/")
		part, key, _ := strings.Cut(below, "/")
		it.Key = key
		if it.Split = partOfName(part); it.Split != Train {
			it.Fixed, f.Given[it.Split] = true, true
		}
	}
	f.Notes = append(f.Notes, "read the folders in each label's, which are named like parts, as parts of the data")
	f.keepTrain()
}

// keepTrain fixes the pictures to train on where both other parts were given.
func (f *Folder) keepTrain() {
	if f.Given[Validation] && f.Given[Test] {
		for i := range f.Items {
			f.Items[i].Fixed = true
		}
		return
	}
	for _, s := range []Split{Validation, Test} {
		if !f.Given[s] {
			f.Notes = append(f.Notes, fmt.Sprintf("there is no folder of %s pictures: they are dealt from those to train on",
				s))
		}
	}
}

// Wanted is cfg with no share asked for where a part has pictures of its own.
func (f *Folder) Wanted(cfg SplitConfig) SplitConfig {
	if f.Given[Validation] {
		cfg.Validation = -1
	}
	if f.Given[Test] {
		cfg.Test = -1
	}
	return cfg
}
