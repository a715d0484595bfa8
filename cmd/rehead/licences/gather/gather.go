package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// binary is the package whose modules are gathered, and builds how it is built: each is GOOS,
// GOARCH and build tags or "".
const binary = "github.com/c236555e/rehead/cmd/rehead"

func builds() [][3]string {
	return [][3]string{
		{"linux", "amd64", ""}, {"linux", "arm64", ""}, {"linux", "amd64", "gpu"},
		{"linux", "amd64", "avif,nodynamic"}, {"darwin", "arm64", ""},
		{"windows", "amd64", ""}, {"windows", "arm64", ""},
	}
}

// module is one that the binary is linked from.
type module struct {
	Path, Version, Dir string
}

// gather is the whole text: a heading, the list, and the modules' own files, each text once.
func gather() (string, error) {
	modules, err := linked()
	if err != nil {
		return "", err
	}
	var list, all strings.Builder
	var texts []string
	titles := map[string][]string{} // of a text: whose files have it
	for _, m := range modules {
		files, err := legal(m.Dir, "")
		if sub := compiled[m.Path]; sub != "" && err == nil {
			var inner []string
			inner, err = legal(m.Dir, sub)
			files = append(files, inner...)
		}
		if err != nil {
			return "", fmt.Errorf("module %s: %w", m.Path, err)
		}
		title := strings.TrimSpace(m.Path + " " + m.Version)
		fmt.Fprintln(&list, title)
		for _, name := range files {
			data, err := os.ReadFile(filepath.Join(m.Dir, name))
			if err != nil {
				return "", err
			}
			text := clean(data)
			if titles[text] == nil {
				texts = append(texts, text)
			}
			titles[text] = append(titles[text], title+": "+name)
		}
	}
	for _, text := range texts {
		fmt.Fprintf(&all, "\n%s\n%s\n%s\n\n%s\n", rule, strings.Join(titles[text], "\n"), rule, text)
	}
	return fmt.Sprintf(heading, list.String()) + all.String(), nil
}

const rule = "================================================================================"

const heading = `What is in rehead's binary beside its own code (Apache-2.0), and under which licence.

The embedded trunk, inception/embedded/trunk.planes.zst, is a narrow network made from the weights of
Inception-2015-12-05 by Google, Apache-2.0; inception/embedded/README.md says how. It comes under the same licence. What
it was distilled on: views of 1,000 sample photographs of ImageNet, 16,000 pictures of Tiny ImageNet and 2,500 natural
scenes, which their publishers give out for research and teaching that is not commercial; the teacher learned from
ImageNet, too. No picture and no label is in the file. Whether such terms bind weights is not settled: whoever needs to be sure
trains on weights of their own choice (--weights FILE).
The list of root certificates is Mozilla's, as golang.org/x/crypto/x509roots has it.
github.com/ajstarks/svgo is by Anthony Starks. Of github.com/golang/freetype the FreeType License is chosen: portions of
this software are copyright 2010 The FreeType Project (www.freetype.org), all rights reserved; it is based in part on
the work of the FreeType Team.

Modules, for every platform that the binary is built for:

%s`

// linked lists the modules of the binary's packages in every build, and Go's standard library
// first.
func linked() ([]module, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	found := map[string]module{}
	for _, b := range builds() {
		const form = "{{with .Module}}{{if not .Main}}{{$.Module.Path}}{{end}}{{end}}"
		cmd := exec.Command("go", "list", "-deps", "-tags", b[2], "-f", form, binary) //nolint:gosec // constants
		if err := each(cmd, b, func(path string) { found[path] = module{Path: path} }); err != nil {
			return nil, err
		}
	}
	args := slices.Concat([]string{"list", "-m", "-json"}, paths(found))
	cmd := exec.Command("go", args...) //nolint:gosec // paths of modules
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	all := []module{{Path: "Go standard library and runtime", Dir: strings.TrimSpace(string(root))}}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m module
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list -m: %w", err)
		}
		if m.Dir == "" {
			return nil, fmt.Errorf("module %s is not in the module cache: go mod download", m.Path)
		}
		all = append(all, m)
	}
	slices.SortStableFunc(all[1:], func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	return all, nil
}

// each calls f with every line that a command of one build prints.
func each(cmd *exec.Cmd, build [3]string, f func(line string)) error {
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+build[0], "GOARCH="+build[1])
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s for %v: %w", strings.Join(cmd.Args[:2], " "), build, err)
	}
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			f(line)
		}
	}
	return nil
}

func paths(modules map[string]module) []string {
	var out []string
	for path := range modules {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// isLegal finds licences, notices and patent grants by name.
var isLegal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-._].*)?$`)

// compiled names the folders of modules that hold other people's programs, compiled, and their
// licences.
var compiled = map[string]string{"github.com/gen2brain/avif": "lib"}

// legal lists such files in a folder of a module, "" for its root; there must be one at least.
func legal(dir, sub string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, sub))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && isLegal.MatchString(e.Name()) && !strings.HasSuffix(e.Name(), ".go") {
			names = append(names, filepath.Join(sub, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no licence in %s", filepath.Join(dir, sub))
	}
	return names, nil
}

// clean gives a text line ends of one kind and no blanks at its ends.
func clean(data []byte) string {
	return strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n"))
}
