package dataset

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/internal/spelling"
)

// Columns names the columns of a CSV file, or the keys of JSON lines, whose names ReadManifest
// would not guess; "" is guessed.
type Columns struct{ Image, Label, Split, Group, Weight string }

// meanings are what columns may mean, and the names that they have, the surest first: where a list
// has columns of several rows, the first row's is taken.
var meanings = [...]struct {
	means string
	names [][]string
}{
	{"image", [][]string{{"image", "path"},
		{"file_name", "filename", "file", "filepath", "file_path", "image_path", "image_file", "image_name", "image_filename",
			"imagename", "img", "img_path"}, {"image_id", "imageid", "id"}}},
	{"label", [][]string{{"label"}, {"class", "class_name", "label_name", "category", "category_name"}, {"target"},
		{boxesColumn}}},
	{"split", [][]string{{"split"}}},
	{"group", [][]string{{"group"}}},
	{"weight", [][]string{{"weight"}}},
}

// boxesColumn is what Kaggle's ImageNet calls the column of a picture's boxes: a class and four
// numbers for each.
const boxesColumn = "predictionstring"

// classOfBoxes is the class of a picture's boxes, which has to be the same of all of them.
func classOfBoxes(text string) (string, error) {
	fields := strings.Fields(text)
	for i := 5; i < len(fields); i += 5 {
		if fields[i] != fields[0] {
			return "", fmt.Errorf("got boxes of %q and %q, want one class a picture", fields[0], fields[i])
		}
	}
	if len(fields) == 0 || len(fields)%5 != 0 {
		return "", fmt.Errorf("got %.40q, want a class and four numbers for each box", text)
	}
	return fields[0], nil
}

// named is the name that the configuration gives to the column of a meaning.
func (c *Columns) named(means string) string {
	switch means {
	case "image":
		return c.Image
	case "label":
		return c.Label
	case "split":
		return c.Split
	case "group":
		return c.Group
	}
	return c.Weight
}

// errNoLabel is that of a list without labels.
var errNoLabel = errors.New("no column \"label\"")

// columns says what each column means, "" for one that is ignored.
func (m *manifest) columns(names []string) ([]string, error) {
	meaning, plain := make([]string, len(names)), plain(names)
	labelled := false
	for _, c := range meanings {
		at, err := m.columnsOf(c.means, c.names, plain)
		if err != nil {
			return nil, err
		}
		if len(at) > 1 && !(m.cfg.MultiLabel && c.means == "label") {
			return nil, fmt.Errorf("the columns %q and %q mean the same: say which is the %s (--%s-column)", plain[at[0]],
				plain[at[1]], c.means, c.means)
		}
		for _, i := range at {
			meaning[i] = c.means
			m.boxes = m.boxes || c.means == "label" && plain[i] == boxesColumn
		}
		labelled = labelled || c.means == "label" && len(at) > 0
	}
	if !slices.Contains(meaning, "image") {
		return nil, fmt.Errorf("no column \"image\" in %q: the first line names the columns%s", names, suggestColumn(plain))
	}
	for i, name := range plain {
		switch index := name == "" || name == "unnamed: 0"; { // as pandas writes it
		case meaning[i] != "" || index:
		case !labelled && m.format == CSV:
			meaning[i] = yesNo + strings.TrimSpace(names[i])
		case !slices.Contains(m.ignored, name):
			m.ignored = append(m.ignored, name)
		}
	}
	if !labelled && !slices.ContainsFunc(meaning, func(s string) bool { return strings.HasPrefix(s, yesNo) }) {
		return nil, fmt.Errorf("%w in %q: the first line names the columns%s", errNoLabel, names, suggestColumn(plain))
	}
	return meaning, nil
}

// columnsOf are the places of the columns of one meaning.
func (m *manifest) columnsOf(means string, known [][]string, plain []string) (at []int, err error) {
	if name := m.cfg.Columns.named(means); name != "" {
		i := slices.Index(plain, strings.ToLower(strings.TrimSpace(name)))
		if i < 0 {
			return nil, fmt.Errorf("no column %q in %q%s", name, plain, spelling.Suggest(name, plain))
		}
		return []int{i}, nil
	}
	for _, row := range known {
		for i, name := range plain {
			if slices.Contains(row, name) {
				at = append(at, i)
			}
		}
		if len(at) > 0 {
			return at, nil
		}
	}
	for i, name := range plain {
		if means == "image" && strings.HasSuffix(name, "_file_name") {
			return []int{i}, nil
		}
	}
	return nil, nil
}

// suggestColumn names what one of the columns may stand for.
func suggestColumn(plain []string) string {
	for _, name := range plain {
		known := []string{"image", "path", "label"}
		if s := spelling.Suggest(name, known); s != "" && !slices.Contains(known, name) && name != "" {
			return fmt.Sprintf("; %q is none%s", name, s)
		}
	}
	return ""
}

// first looks at the first record below a header without a column of labels, unless several are
// asked for: its further columns are labels if they hold nothing but one 1 and zeros.
func (m *manifest) first(names, meaning, record []string) error {
	asked, yes := 0, 0
	for i, cell := range record {
		if !strings.HasPrefix(meaning[i], yesNo) {
			continue
		}
		is, ok := answer(cell)
		if asked++; is {
			yes++
		} else if !ok {
			asked = -len(record)
		}
	}
	if asked == 0 || m.cfg.MultiLabel {
		return nil
	}
	if asked < 2 || yes != 1 {
		return fmt.Errorf("header: %w in %q: the first line names the columns%s", errNoLabel, names,
			suggestColumn(plain(names)))
	}
	m.oneHot = true
	m.note(fmt.Sprintf("the labels are the %d columns of 0 and 1", asked))
	return nil
}

// plain are the names of columns as they are compared.
func plain(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.ToLower(strings.TrimSpace(name))
	}
	return out
}

// headless tells what the columns of a file mean whose first line is a picture's already: a picture
// and a label, in either order, or behind these numbers, such as those of a box.
func (m *manifest) headless(first []string) ([]string, bool) {
	if len(first) < 2 || m.cfg.Columns != (Columns{}) {
		return nil, false
	}
	for _, further := range first[2:] {
		if _, err := strconv.ParseFloat(strings.TrimSpace(further), 64); err != nil {
			return nil, false
		}
	}
	for i, meaning := range [][]string{{"image", "label"}, {"label", "image"}} {
		if pictureNamed(strings.TrimSpace(first[i])) {
			m.note("the first line does not name the columns and was read as the first picture's")
			return append(meaning, make([]string, len(first)-2)...), true
		}
	}
	return nil, false
}

// extensions are those that pictures have, the commonest first.
var extensions = [...]string{".jpg", ".png", ".jpeg", ".JPG", ".JPEG", ".PNG", ".webp", ".tif", ".tiff", ".bmp", ".gif"}

// pictureNamed tells whether a name ends as a picture's does.
func pictureNamed(name string) bool {
	return slices.Contains(extensions[:], strings.ToLower(path.Ext(strings.ReplaceAll(name, `\`, "/"))))
}

func (m *manifest) note(text string) { m.scan.folder.Notes = append(m.scan.folder.Notes, text) }

// noteIgnored lists the columns that mean nothing.
func (m *manifest) noteIgnored() {
	if n := len(m.ignored); n > 0 {
		shown := quoted(m.ignored[:min(n, 20)])
		if n > 20 {
			shown += fmt.Sprintf(" and %d more", n-20)
		}
		m.note("ignored the columns " + shown + " of the list: image, label, split, group and weight are read")
	}
}
