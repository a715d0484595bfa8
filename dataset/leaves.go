package dataset

import (
	"fmt"
	"path"
	"slices"

	"github.com/c236555e/rehead/dataset/source"
	"golang.org/x/text/unicode/norm"
)

// The values of ScanConfig.LabelsAt: which folders are the labels where they lie in each other.
const (
	LabelsAtTop  = "top"  // those in root
	LabelsAtLeaf = "leaf" // those that hold pictures, or nothing
)

// checkLabelsAt refuses what is no value of ScanConfig.LabelsAt.
func checkLabelsAt(at string) error {
	if at != "" && at != LabelsAtTop && at != LabelsAtLeaf {
		return fmt.Errorf("dataset: labels at: got %q, want %q, %q or nothing", at, LabelsAtTop, LabelsAtLeaf)
	}
	return nil
}

// nested finds the label folders among those in root and those below them. Unless the
// configuration says which are meant, they are the leaves where no folder in root holds pictures
// itself, the leaves are more than these and each has a name of its own.
func (s *scanner) nested(store source.Store, top []labelFolder, at string) ([]labelFolder, error) {
	if at == LabelsAtTop {
		return top, nil
	}
	for _, f := range top {
		if in, err := lookInto(store, s.At(f.name)); at == "" && (err != nil || in.pictures || len(in.folders) == 0) {
			return top, nil //nolint:nilerr // reading the label says what is wrong
		}
	}
	var leaves []labelFolder
	var above above
	for _, f := range top {
		if err := s.leaves(store, f, 0, func(leaf labelFolder) { leaves = append(leaves, leaf) }, &above); err != nil {
			return nil, err
		}
	}
	if at == "" && len(leaves) == len(top) {
		return top, nil
	}
	shared := uniqueLeaves(leaves)
	if first := leaves[0]; at == "" && shared != "" {
		s.note("the labels are the folders %q..., for those below have the same names, such as %q: --labels-at leaf takes "+
			"these", first.top, shared)
		return top, nil
	} else if at == "" {
		s.note("the labels are the folders that hold the pictures, such as %q in %q: --labels-at top takes those above",
			first.label, path.Dir(first.rel))
	}
	s.Ignored += above.ignored
	for _, dir := range above.folders {
		s.AddPathless(dir)
	}
	s.folder.leaves = true
	slices.SortFunc(leaves, byLabel)
	return leaves, nil
}

func (s *scanner) note(format string, args ...any) {
	s.folder.Notes = append(s.folder.Notes, fmt.Sprintf(format, args...))
}

// uniqueLeaves gives leaves that have one name their paths as labels, and returns such a name, ""
// for none.
func uniqueLeaves(leaves []labelFolder) (shared string) {
	named := make(map[string]int, len(leaves))
	for _, l := range leaves {
		named[l.label]++
	}
	for i := range leaves {
		if l := &leaves[i]; named[l.label] > 1 {
			shared, l.label = l.label, l.rel
		}
	}
	return shared
}

// above is what lies above the leaves.
type above struct {
	folders []string
	ignored int // files in them
}

// leaves hands on the folders below and including f that hold pictures themselves, or no folders.
func (s *scanner) leaves(store source.Store, f labelFolder, depth int, found func(labelFolder), up *above) error {
	entries, err := store.ReadDir(s.At(f.name))
	if err != nil || depth == maxNested {
		found(f) // reading it says what is wrong
		return nil
	}
	var below []labelFolder
	files := 0
	for _, e := range entries {
		name := e.Name()
		switch file := s.At(f.name) + "/" + name; {
		case source.Housekeeping(name):
			files++
		case e.IsDir():
			if err := s.labelNamed(name); err != nil {
				return err
			}
			label := norm.NFC.String(name)
			below = append(below, labelFolder{name: f.name + "/" + name, label: label, rel: f.rel + "/" + label, top: f.top})
		default:
			files++
			if info, err := store.Stat(file); err == nil {
				if _, picture, err := s.Sniff(file, info); picture && err == nil {
					found(f)
					return nil
				}
			}
		}
	}
	if len(below) == 0 {
		found(f)
		return nil
	}
	up.ignored += files
	up.folders = append(up.folders, s.At(f.name))
	for _, b := range below {
		if err := s.leaves(store, b, depth+1, found, up); err != nil {
			return err
		}
	}
	return nil
}

// maxNested bounds how deep below a folder in root label folders are looked for.
const maxNested = 30
