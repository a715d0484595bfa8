package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// mistakes are command lines that are wrong, by kind, as somebody may type them in a folder that has
// what mistaken makes.
var mistakes = []struct {
	kind  string
	lines []string
}{
	{"Typed wrong", []string{
		"trian pets",
		"weights pul keras",
		"pets",
		"train pets --wieghts embedded",
		"train pets -weights embedded",
		"predict model",
		"predict",
		"evaluate model",
		"compare model model.bak-1",
		"inspect",
	}},
	{"A value that cannot be", []string{
		"train pets --unknown 0.9",
		"train pets --validation 1.2",
		"train pets --validation 0.6 --test 0.6",
		"train pets --epochs many",
		"train pets --epochs -1",
		"train pets --solver lbgfs",
		"train pets --features mean,Mixed_9z",
		"train pets --label-smoothing 2",
		"train pets --l2 lots",
		"train pets --augment flop",
		"train pets --resize keras-corp",
		"train pets --dtype f8",
		"train pets --device gpu",
		"train pets --kernel fast",
		"train pets --precision int4",
		"train pets --min-accuracy 90",
		"train pets --plot-format pdf",
		"train pets --labels-at bottom",
		"predict model cat.jpg --top 0",
		"predict model cat.jpg --format xml",
		"predict model cat.jpg --views 99",
		"evaluate model pets --part tets",
		"export model -o model.onxx",
		"serve model --log-level loud",
		"serve model --max-batch -1",
		"bench forward --batch 0",
		"embed pets",
	}},
	{"A folder or a file given wrong", []string{
		"train pest",
		"train flat",
		"train empty",
		"train single",
		"train cat.jpg",
		"train notes.txt",
		"train model",
		"train pets -o nowhere/model",
		"train pets -o flat",
		"train pets --corrections pets.csv",
		"train pets --corrections dgo.csv",
		"train pets --weights kears",
		"train pets --weights cat.jpg",
		"predict pets cat.jpg",
		"predict nomodel cat.jpg",
		"predict model cta.jpg",
		"predict model notes.jpg",
		"predict model empty",
		"evaluate model others",
		"inspect cat.jpg",
		"doctor pest",
	}},
	{"An archive given wrong", []string{
		"train notes.zip",
		"train cut.tar.gz",
		"train pets.rar",
		"predict model cut.tar.gz",
		"inspect cut.tar.gz",
	}},
}

// mistaken makes a folder with what people mistake for something else.
func mistaken(t *testing.T) {
	t.Helper()
	names := func(dir string, to ...string) {
		if err := draw.Folder(dir, len(to), 12, 3); err != nil {
			t.Fatal(err)
		}
		for i, name := range to {
			if err := os.Rename(filepath.Join(dir, draw.Label(i)), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	names("pets", "cat", "dog")
	names("others", "horse", "cow")
	names("single", "cat", "dog")
	picture, err := os.ReadFile(filepath.Join("pets", "cat", "0000.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"flat", "empty"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join("single", "dog")); err != nil {
		t.Fatal(err)
	}
	text := []byte("Notes about pets.\n")
	for path, data := range map[string][]byte{"cat.jpg": picture, filepath.Join("flat", "a.jpg"): picture,
		filepath.Join("flat", "b.jpg"): picture, "notes.txt": text, "notes.jpg": text, "notes.zip": text,
		"cut.tar.gz": []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), "pets.rar": []byte("Rar!\x1a\x07\x01\x00 and more"),
		"pets.csv": []byte("path,action\ncat/9999.jpg,drop\n"),
		"dgo.csv":  []byte("path,action,label\ncat/0000.jpg,label,dgo\n")} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	narrow(t, ".")
	must(t, nil, "train", "pets", "--weights", "trunk.safetensors", "--cache", "cache", "--json")
}

// TestMistakes: docs/mistakes.md has what each mistake is answered with: exit code 2 for a command
// line that is wrong by itself, 1 for one that meets something else than it should, one sentence
// without the name of a package, and nothing on stdout.
func TestMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	path, err := filepath.Abs(filepath.Join("..", "..", "docs", "mistakes.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mistaken(t)
	var b strings.Builder
	b.WriteString("<!-- Written by go test ./cmd/rehead -run TestMistakes -update: change the answers instead. -->\n\n" +
		"# Mistakes and their answers\n\nWhat `rehead` says on stderr, behind `rehead: `, and its exit code.\n")
	for _, group := range mistakes {
		fmt.Fprintf(&b, "\n## %s\n\n| `rehead ...` | code | answer |\n|---|---|---|\n", group.kind)
		for _, line := range group.lines {
			o := command(t, strings.Fields(line)...)
			answer, ok := strings.CutPrefix(strings.TrimSpace(o.stderr), "rehead: ")
			if o.code == exitDone || o.stdout != "" || !ok || strings.Contains(answer, "\n") || ours.MatchString(answer) ||
				strings.HasPrefix(group.kind, "A value") && o.code != exitUsage {
				t.Errorf("rehead %s: code %d, stdout %q, stderr %q; want one sentence", line, o.code, o.stdout, o.stderr)
			}
			fmt.Fprintf(&b, "| `%s` | %d | %s |\n", cell(line), o.code,
				cell(strings.ReplaceAll(answer, here+string(filepath.Separator), "")))
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := b.String(); err != nil || strings.ReplaceAll(string(got), "\r", "") != want {
		t.Errorf("%s is stale (%v): go test ./cmd/rehead -run TestMistakes -update; want\n%s", path, err, want)
	}
}
