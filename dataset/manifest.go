package dataset

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/spelling"
	"golang.org/x/text/unicode/norm"
)

// The formats of ManifestConfig.
const (
	CSV       = "csv"       // a header and a line for each picture, parted by commas, semicolons or tabs
	JSONL     = "jsonl"     // a JSON object on each line
	LST       = "lst"       // index<TAB>class<TAB>path, as MXNet and SageMaker's image classification have it
	Array     = "array"     // a JSON array of such objects
	List      = "list"      // a path and a label on each line, parted by a space
	COCO      = "coco"      // a JSON object of images, annotations and categories, one object a picture
	FiftyOne  = "fiftyone"  // labels.json of FiftyOne's image classification data sets
	Augmented = "augmented" // SageMaker's augmented manifest: JSON lines with source-ref and a class
)

// ManifestConfig says how a manifest is read. The zero value works.
type ManifestConfig struct {
	Format      string   // one of the constants above; "" means by content
	Root        string   // folder or archive that relative paths start from; "" means the manifest's folder
	StripPrefix string   // is cut off paths before they are looked up below Root: "s3://bucket/flowers/"
	Classes     []string // the names of classes 0, 1, 2...; nil: the numbers are the names
	Attribute   string   // Augmented: the key of the class; "" means the only one that there is
	Columns     Columns  // CSV, JSONL, Array: names that are not guessed
	MultiLabel  bool     // pictures have any number of labels: see ReadManifest
	Separator   string   // MultiLabel: what parts the labels in a cell of a CSV file; "" means "|"
	MinLabels   int      // fewest labels with pictures; 0 means 2
	MaxRows     int      // most lines; 0 means 4,000,000
	LabelsAt    string   // of a folder that Open reads: as in ScanConfig
	// what opens Root and addresses of pictures; nil means registered schemes: see source.Register
	Addresses source.Addresses
}

// maxRecord bounds a line of a manifest, in bytes.
const maxRecord = 1 << 20

// row is a line of a manifest.
type row struct {
	line   int
	image  string
	label  string
	class  int // LST, Augmented: the number; -1 without
	set    answers
	split  string
	group  string
	weight string
}

// ReadManifest reads a list of labelled pictures.
//
// CSV and JSON have the columns image (or path, file_name, filename, id...), label (or class,
// category...), and optionally split (train, validation or test; empty: chosen by Folder.Split),
// group (see Item.Group) and weight (see Item.Weight), in any order, or those that cfg.Columns
// names; Folder.Notes lists the others. Cells are trimmed of spaces. A CSV file has a header,
// unless it has two columns of which the first line's one is named like a picture. Numbers that
// JSON has for labels are classes. In an augmented manifest the class name is taken from
// "<attribute>-metadata" where it is, else from Classes; a line that failed becomes a Problem.
//
// A path is relative to Root unless it is absolute; slashes part it on every system, and
// backslashes where no file has them in its name. A path that lacks its extension gets it. Labels
// are taken in Unicode NFC. Folder.Labels is sorted by bytes; classes that have numbers keep the
// order of these.
//
// With cfg.MultiLabel pictures have any number of labels, and none is an answer too: a CSV file's
// label cell has them parted by cfg.Separator, or there are several columns label, or none but a
// column of 0 and 1 for each label, named as it is; JSON lines have a list; a .lst file has several
// numbers between index and path, an augmented manifest a list of numbers. Lists of numbers that
// are all of one length above 1 and of nothing but 0 and 1 say yes or no for each class in turn, as
// SageMaker's image classification has it; other lists name classes, as its labelling jobs do, -1
// filling up. Lines that repeat a picture add labels to it. Without cfg.MultiLabel these are
// errors.
//
// A picture that is missing, empty or no picture becomes a Problem, and so does a line that repeats
// an earlier one; a picture with two labels is an error, as is a line that cannot be understood,
// which is named by its number. Lines may have a megabyte.
func ReadManifest(file string, cfg ManifestConfig) (*Folder, error) {
	store, at, err := cfg.Addresses.Open(file)
	if err != nil {
		return nil, fmt.Errorf("dataset: manifest: %w", err)
	}
	return readManifest(store, at, cfg)
}

// readManifest is ReadManifest of a file in a store.
func readManifest(store source.Store, file string, cfg ManifestConfig) (_ *Folder, err error) {
	info, err := store.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("dataset: manifest: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("dataset: manifest %q: got a %s, want a file", file, source.Kind(info.Mode()))
	}
	f, err := store.Open(file)
	if err != nil {
		return nil, fmt.Errorf("dataset: manifest: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if cfg.Root != "" {
		if store, cfg.Root, err = cfg.Addresses.Open(cfg.Root); err != nil {
			return nil, fmt.Errorf("dataset: manifest: image root: %w", err)
		}
	}
	m := newManifest(store, file, cfg)
	m.consumed, m.size = &counter{r: f}, info.Size()
	if err := errors.Join(m.read(m.consumed), m.resolve()); err != nil {
		return nil, fmt.Errorf("dataset: manifest %q: %w", file, err)
	}
	return m.done()
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// newManifest is one of a file, whose pictures lie in a store.
func newManifest(store source.Store, file string, cfg ManifestConfig) *manifest {
	m := &manifest{file: file, list: filepath.Base(file), store: store, cfg: cfg, labels: map[string]int{},
		byClass: map[int]string{}, unsettled: homeTries}
	if cfg.Root != "" {
		m.unsettled = 0
	}
	m.cfg.Root = cmp.Or(cfg.Root, source.Dir(file))
	m.cfg.MaxRows = cmp.Or(cfg.MaxRows, 4_000_000)
	m.cfg.Separator = cmp.Or(cfg.Separator, "|")
	m.scan.Walker = walker(store, m.cfg.Root, 0)
	m.scan.folder.Root, m.scan.folder.MultiLabel = m.cfg.Root, cfg.MultiLabel
	return m
}

// manifest is one that is being read.
type manifest struct {
	file     string
	list     string       // what messages call it
	store    source.Store // of the pictures
	cfg      ManifestConfig
	opening  sync.Mutex
	far      map[string]source.Store // of addresses that do not lie below the root, by scheme
	scan     scanner
	labels   map[string]int // to their place in order of appearance
	names    []string       // in that order
	numbers  []int          // of the names; -1 for none
	byClass  map[int]string // the name of each number
	at       places         // of the items, by their paths
	texts    block          // of the items
	group    string         // of the last one
	lines    []int32        // of the items
	size     int64          // bytes of the file
	consumed *counter       // of these
	rows     int
	format   string
	ignored  []string // columns that mean nothing
	keys     []string // of the last JSON object
	means    []string // what they mean
	ext      string   // that the last path lacked

	home      string            // folder below the root that the paths start from
	settled   bool              // root and base are known
	root      string            // clean and with a slash, or nothing for the working folder
	base      string            // root and home
	unsettled int               // pictures that may still tell the home
	splits    map[string]string // by the picture's name, for those that a row does not tell
	boxes     bool              // the labels are classes of boxes
	oneHot    bool              // the labels are columns of 0 and 1, one 1 a line
	pending   []row             // MultiLabel: lines whose numbers mean nothing before all of them are known
}

func (m *manifest) read(r io.Reader) error {
	b := bufio.NewReaderSize(r, 1<<16)
	if mark, err := b.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		if _, err := b.Discard(3); err != nil {
			return err
		}
	}
	head, err := b.Peek(1 << 16)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if m.format = m.cfg.Format; m.format == "" {
		if m.format, err = sniffManifest(head); err != nil {
			return err
		}
	}
	defer m.noteIgnored()
	switch m.format {
	case CSV:
		return m.readCSV(b, head)
	case JSONL, Augmented:
		return m.readLines(b, func(line int, text []byte) error {
			if m.format == Augmented {
				return m.augmented(line, text)
			}
			return m.object(line, text)
		})
	case LST:
		return m.readLines(b, m.listed)
	case COCO:
		return m.readCOCO(b)
	case FiftyOne:
		return m.readFiftyOne(b)
	case Array:
		return m.readArray(b)
	case List:
		return m.readLines(b, m.pair)
	}
	return fmt.Errorf("format: got %q, want one of %q", m.format, []string{CSV, JSONL, LST, Array, List, COCO, FiftyOne,
		Augmented})
}

// sniffManifest tells a manifest's format by its first line.
func sniffManifest(head []byte) (string, error) {
	if bytes.HasPrefix(head, []byte("PAR1")) {
		return "", errors.New("is a Parquet file, which is not read: " + fromParquet)
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if len(line) == 0 {
		return "", errors.New("the file is empty, want a line for each picture")
	}
	if !utf8.Valid(line[:max(0, len(line)-3)]) || bytes.IndexByte(line, 0) >= 0 {
		return "", errors.New("the file is not text in UTF-8, want CSV, JSON lines or .lst")
	}
	if line[0] == '{' {
		if kind := documentKind(head); kind != "" {
			return kind, nil
		}
		if bytes.Contains(line, []byte(`"source-ref"`)) {
			return Augmented, nil
		}
		return JSONL, nil
	}
	if line[0] == '[' {
		return Array, nil
	}
	if at := bytes.LastIndexByte(bytes.TrimSpace(line), ' '); at > 0 && !bytes.ContainsAny(line, ",;\t") &&
		pictureNamed(string(bytes.TrimSpace(line[:at]))) {
		return List, nil
	}
	if _, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil {
		return "", errors.New("line 1 is a number alone, want a picture and its class on each line: where the lines stand " +
			"for the pictures in the order of their names, as in ImageNet's ground truth, paste -d' ' <(ls DIR) FILE makes one")
	}
	if fields := bytes.Split(line, []byte("\t")); len(fields) >= 3 {
		_, err1 := strconv.ParseFloat(string(fields[0]), 64)
		_, err2 := strconv.ParseFloat(string(fields[1]), 64)
		if err1 == nil && err2 == nil {
			return LST, nil
		}
	}
	return CSV, nil
}

// readLines hands the lines that are not blank to do.
func (m *manifest) readLines(r io.Reader, do func(line int, text []byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 1<<16), maxRecord)
	line := 0
	for s.Scan() {
		line++
		text := bytes.TrimSpace(s.Bytes())
		if len(text) == 0 {
			continue
		}
		if !utf8.Valid(text) {
			return fmt.Errorf("line %d: not UTF-8: save the file as UTF-8", line)
		}
		if err := do(line, text); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d: longer than %d bytes", line+1, maxRecord)
	}
	return s.Err()
}

// listed takes a line of a .lst file. More numbers between class and path mean several labels.
func (m *manifest) listed(line int, text []byte) error {
	fields := strings.Split(string(text), "\t")
	last := len(fields) - 1
	switch {
	case last > 2 && !m.cfg.MultiLabel:
		return fmt.Errorf("got %d fields parted by tabs, want 3: index, class, path; several classes a picture have to be "+
			"asked for (--multi-label)", len(fields))
	case last < 2:
		return fmt.Errorf("got %d fields parted by tabs, want 3: index, class, path", len(fields))
	}
	if index, err := strconv.ParseFloat(strings.TrimSpace(fields[0]), 64); err != nil || index != math.Trunc(index) ||
		index < 0 {
		return fmt.Errorf("index: got %q, want a whole number", fields[0])
	}
	if m.cfg.MultiLabel {
		return m.numbered(row{line: line, image: fields[last]}, fields[1:last])
	}
	class, err := classNumber(strings.TrimSpace(fields[1]))
	if err != nil {
		return err
	}
	return m.add(row{line: line, image: fields[2], class: class})
}

// pair takes a line of a list: a path, which may have spaces, a space and a label.
func (m *manifest) pair(line int, text []byte) error {
	at := bytes.LastIndexAny(text, " \t")
	if at < 0 {
		return fmt.Errorf("got %.80q, want a path, a space and a label", text)
	}
	r := row{line: line, image: string(bytes.TrimSpace(text[:at])), label: string(text[at+1:]), class: -1}
	if m.cfg.MultiLabel {
		r.set.names = []string{r.label}
	} else if n, err := classNumber(r.label); err == nil {
		r.label, r.class = "", n
	}
	return m.add(r)
}

// classNumber reads 3, "3" or, as MXNet's tools write it, 3.000000.
func classNumber(text string) (int, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != math.Trunc(v) || !(0 <= v && v < 1e6) {
		return 0, fmt.Errorf("class: got %q, want a whole number from 0", text)
	}
	return int(v), nil
}

// add takes up one row.
func (m *manifest) add(r row) error {
	if m.rows++; m.rows > m.cfg.MaxRows {
		return fmt.Errorf("more than %d lines: raise the limit", m.cfg.MaxRows)
	}
	if m.rows == sample {
		m.reserve()
	}
	if m.boxes {
		var err error
		if r.label, err = classOfBoxes(r.label); err != nil {
			return err
		}
	}
	if m.oneHot {
		if len(r.set.names) != 1 {
			return fmt.Errorf("got %d labels (%s), want one 1 among the columns of 0 and 1; any number of labels a picture has "+
				"to be asked for (--multi-label)", len(r.set.names), strings.Join(r.set.names, ", "))
		}
		r.label = r.set.names[0]
	}
	if r.split == "" && m.splits != nil {
		r.split = m.splits[r.image]
	}
	it, err := m.item(r)
	if err != nil {
		return err
	}
	if m.cfg.MultiLabel {
		if it.Labels, err = m.labelSet(r); err != nil {
			return err
		}
		return m.merge(r, it)
	}
	if r.class < 0 && m.cfg.Classes != nil && !slices.Contains(m.cfg.Classes, strings.TrimSpace(r.label)) {
		if n, err := classNumber(strings.TrimSpace(r.label)); err == nil {
			r.label, r.class = "", n
		}
	}
	if it.Label, err = m.label(r); err != nil {
		return err
	}
	if i, met := m.at.find(m.scan.folder.Items, it.Path); met {
		other := &m.scan.folder.Items[i]
		if other.Label != it.Label {
			return fmt.Errorf("%q has label %q here and %q on line %d: a picture has one label, unless several are "+
				"asked for (--multi-label)", r.image, m.names[it.Label], m.names[other.Label], m.lines[i])
		}
		m.scan.Add(it.Path, fmt.Sprintf("line %d repeats line %d and was left out", r.line, m.lines[i]))
		return nil
	}
	m.take(r, it)
	return nil
}

// sample is how many lines tell how many there will be.
const sample = 1 << 16

// reserve makes room for as many items as the file will give if all lines are as long as the first
// ones, so that there is not twice the room for a moment.
func (m *manifest) reserve() {
	if m.size == 0 || m.consumed.n == 0 {
		return
	}
	n := int(min(m.size*sample/m.consumed.n*21/20, int64(m.cfg.MaxRows)))
	if n <= m.rows {
		return
	}
	m.scan.folder.Items = slices.Grow(m.scan.folder.Items, n-m.rows)
	m.lines = slices.Grow(m.lines, n-m.rows)
	m.at.grow(m.scan.folder.Items, n)
}

// take appends an item.
func (m *manifest) take(r row, it Item) {
	m.lines = append(m.lines, int32(r.line))
	m.scan.folder.Items = append(m.scan.folder.Items, it)
	m.at.add(m.scan.folder.Items)
}

// item is a row without its labels.
func (m *manifest) item(r row) (Item, error) {
	it := Item{}
	if group := strings.TrimSpace(r.group); group != m.group {
		m.group = m.texts.join(group, "") // not the whole line that it is a part of
	}
	it.Group = m.group
	var err error
	if it.Path, it.Rel, it.Key, err = m.locate(strings.TrimSpace(r.image), strings.TrimSpace(r.label)); err != nil {
		return it, err
	}
	if it.Store = m.scan.Store; source.Scheme(it.Path) != "" {
		if it.Store, err = m.lies(it.Path); err != nil {
			return it, err
		}
	}
	if it.Split, it.Fixed, err = parseSplit(strings.TrimSpace(r.split)); err != nil {
		return it, err
	}
	if text := strings.TrimSpace(r.weight); text != "" {
		it.Weight, err = strconv.ParseFloat(text, 64)
		if err != nil || !(it.Weight > 0) || math.IsInf(it.Weight, 0) {
			return it, fmt.Errorf("weight: got %q, want a number above 0; leave pictures out that are not to count", text)
		}
	}
	return it, nil
}

// locate turns a manifest's path into one that can be opened, and into Item.Rel and Item.Key.
func (m *manifest) locate(image, label string) (file, rel, key string, err error) {
	if p := m.cfg.StripPrefix; p != "" {
		if !strings.HasPrefix(image, p) {
			return "", "", "", fmt.Errorf("image: got %q, want a path that begins with %q", image, p)
		}
		image = strings.TrimLeft(strings.TrimPrefix(image, p), `/\`)
	}
	if strings.Contains(image, `\`) && !source.IsAbs(image) {
		if _, err := m.store.Stat(source.Join(m.cfg.Root, image)); err != nil {
			image = strings.ReplaceAll(image, `\`, "/")
		}
	}
	switch {
	case image == "":
		return "", "", "", errors.New("image: the path is empty")
	case strings.Contains(image, "://") && !m.cfg.Addresses.Openable(image):
		return "", "", "", fmt.Errorf("image: got %q, want a file: copy the pictures here and have the prefix "+
			"of their address cut off (--strip-prefix)", image)
	case strings.ContainsFunc(image, unicode.IsControl):
		return "", "", "", fmt.Errorf("image: the path %q has control characters", image)
	}
	if m.settled && path.Clean(image) == image && !source.IsAbs(image) && !strings.HasPrefix(image, "..") {
		file = m.texts.join(m.base, image) // the most lines: nothing is to be cleaned, and one string holds it all
		rel = norm.NFC.String(file[len(m.root):])
		if first, _, deeper := strings.Cut(rel, "/"); !deeper || first != norm.NFC.String(label) {
			key = rel
		}
		return file, rel, key, nil
	}
	if file = image; source.Scheme(image) == "" {
		file = filepath.FromSlash(image)
	}
	if !source.IsAbs(file) {
		m.settle(file)
		file = source.Join(m.cfg.Root, m.home, file)
	}
	file = source.Clean(file)
	_, rel, address := strings.Cut(image, "://")
	if !address {
		rel = image
	}
	rel = strings.TrimLeft(path.Clean(filepath.ToSlash(rel)), "/")
	if below, err := filepath.Rel(m.cfg.Root, file); err == nil && filepath.IsLocal(below) {
		rel = filepath.ToSlash(below)
	}
	rel = norm.NFC.String(rel)
	if first, _, deeper := strings.Cut(rel, "/"); !deeper || first != norm.NFC.String(label) {
		key = rel // else it is what Scan of the same folder would hash
	}
	return file, rel, key, nil
}

// homes are folders beside a list in which tools put its pictures.
var homes = [...]string{"data", "images", "JPEGImages"}

// homeTries is how many pictures are looked for in homes.
const homeTries = 20

// settle looks for the folder that the paths start from, by one of them.
func (m *manifest) settle(file string) {
	if m.unsettled == 0 {
		m.settled = os.PathSeparator == '/'
		if root := source.Clean(m.cfg.Root); root != "." {
			m.root = strings.TrimSuffix(root, "/") + "/"
		}
		if m.base = m.root; m.home != "" {
			m.base += m.home + "/"
		}
		return
	}
	m.unsettled--
	for _, home := range append([]string{""}, homes[:]...) {
		if path := source.Join(m.cfg.Root, home, file); m.there(path) != "" {
			if m.home, m.unsettled = home, 0; home != "" {
				m.note(fmt.Sprintf("the pictures' paths start from the folder %q beside the list", home))
			}
			return
		}
	}
}

// label finds or makes the row's label, in order of appearance.
func (m *manifest) label(r row) (int, error) {
	name := norm.NFC.String(strings.TrimSpace(r.label))
	if r.class >= 0 && name == "" {
		switch {
		case m.cfg.Classes == nil:
			name = strconv.Itoa(r.class)
		case r.class >= len(m.cfg.Classes):
			return 0, fmt.Errorf("class: got %d, but there are names for 0..%d only", r.class, len(m.cfg.Classes)-1)
		default:
			name = norm.NFC.String(strings.TrimSpace(m.cfg.Classes[r.class]))
		}
	}
	if name == "" {
		return 0, errors.New("label: is empty")
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return 0, fmt.Errorf("label: %q has control characters", name)
	}
	if other, known := m.byClass[r.class]; known && r.class >= 0 && other != name {
		return 0, fmt.Errorf("class %d: is named %q here and was named %q before", r.class, name, other)
	}
	m.byClass[r.class] = name
	at, met := m.labels[name]
	if !met {
		at = len(m.names)
		m.labels[name] = at
		m.names, m.numbers = append(m.names, name), append(m.numbers, r.class)
	} else if m.numbers[at] != r.class {
		return 0, fmt.Errorf("label %q: is class %d here and was class %d before: one name for two classes", name, r.class,
			m.numbers[at])
	}
	return at, nil
}

func parseSplit(text string) (s Split, fixed bool, err error) {
	switch strings.ToLower(text) {
	case "":
		return Train, false, nil
	case "train", "training":
		return Train, true, nil
	case "validation", "val", "valid", "dev":
		return Validation, true, nil
	case "test", "testing", "eval", "evaluation":
		return Test, true, nil
	}
	return 0, false, fmt.Errorf("split: got %q, want train, validation, test or nothing%s", text,
		spelling.Suggest(text, []string{"train", "validation", "test"}))
}
