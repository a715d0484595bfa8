package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// onTerminal runs a command line as on a terminal of 80 columns, in the folder dir, and returns what
// it left there.
func onTerminal(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, tty: true, errTTY: true, size: func() int { return columns },
		getenv: func(name string) string { return env[name] }}
	code := run(t.Context(), a, args)
	return outcome{code, stdout.String(), stderr.String()}
}

// pets are two labels with much that the doctor finds: long names, a picture under both labels, one
// that cannot be read.
func pets(t *testing.T) {
	t.Helper()
	if err := draw.Folder("pets", 2, 24, 3); err != nil {
		t.Fatal(err)
	}
	long := "a-label-whose-name-is-so-long-that-it-would-push-every-other-column-of-a-table-out-of-sight"
	if err := os.Rename(filepath.Join("pets", draw.Label(1)), filepath.Join("pets", long)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join("pets", draw.Label(0), "0003.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	name := "日本語の名前-and-then-a-long-name-of-a-picture-that-has-more-than-eighty-columns-by-itself.jpg"
	for path, text := range map[string][]byte{
		filepath.Join("pets", long, name): data, filepath.Join("pets", long, "cut.jpg"): data[:200]} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTerminal: no line that a command prints on a terminal of 80 columns is wider, but for a single
// word that is, in colour or with NO_COLOR, whatever pictures and labels are called; what was asked for
// is on stdout.
func TestTerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	t.Chdir(t.TempDir())
	pets(t)
	narrow(t, ".")
	env := map[string]string{"REHEAD_CACHE": "cache"}
	first := filepath.Join("pets", draw.Label(0), "0003.jpg")
	for _, c := range []struct {
		args string
		want string // on stdout
	}{
		{"doctor pets --weights trunk.safetensors --write-corrections fix.csv", "across labels"},
		{"train pets --weights trunk.safetensors --unknown 0.2 -o model", "95 % interval"},
		{"train pets --weights trunk.safetensors -o model --solver adam --epochs 2", "report  model"},
		{"predict model " + first, "%"},
		{"predict model " + filepath.Join("pets", draw.Label(0)) + " --top 2", "…"},
		{"predict model " + first + " --explain", "like"},
		{"evaluate model pets", "precision"},
		{"inspect model", "trained on"},
		{"embed pets --weights trunk.safetensors -o features.npy", "wrote features.npy"},
		{"export model -o model.tar.gz", "model.tar.gz"},
		{"weights list", "licence"},
		{"weights info trunk.safetensors", "flavour"},
		{"weights convert trunk.safetensors other.safetensors", "wrote"},
		{"version", "rehead"},
		{"bench forward --weights trunk.safetensors --duration 1ms --profile", "GFLOP/s"},
		{"bench train --rows 40 --features 8 --runs 1", "a fit"},
		{"bench decode " + first, "ms an image"},
		{"--version", "rehead"},
	} {
		o := onTerminal(t, env, strings.Fields(c.args)...)
		code := exitDone
		if strings.HasPrefix(c.args, "embed") { // which tells so that a picture is missing
			code = exitFailed
		}
		if o.code != code || !strings.Contains(styles.ReplaceAllString(o.stdout, ""), c.want) {
			t.Errorf("rehead %s: code %d, no %q on stdout: %s%s", c.args, o.code, c.want, o.stdout, o.stderr)
		}
		fits(t, c.args, o.stdout+o.stderr)
	}
	env["NO_COLOR"] = "1"
	o := onTerminal(t, env, "evaluate", "model", "pets")
	if left := strings.ReplaceAll(o.stdout+o.stderr, "\x1b[K", ""); strings.Contains(left, "\x1b") {
		t.Errorf("NO_COLOR: got %q", left)
	}
}

// fits wants no line of several words wider than the terminal; a bar is drawn over itself.
func fits(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "\n")) {
		line = styles.ReplaceAllString(strings.TrimRight(line, "\n"), "")
		if n := cells(strings.ReplaceAll(line, "\x1b[K", "")); n > columns && len(strings.Fields(line)) > 1 {
			t.Errorf("rehead %s: %d columns, want at most %d: %q", what, n, columns, line)
		}
	}
}

// TestTables: cells are aligned by their columns on a terminal, and shortened in the middle.
func TestTables(t *testing.T) {
	tab := table{head: []string{"what", "n"}, right: "lr"}
	tab.row("daisy", "7")
	tab.row("日本語の名前", "123")
	got := strings.Join(tab.lines(14), "\n")
	if want := "what         n\ndaisy        7\n日本…名前  123"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, c := range []struct {
		text string
		most int
		want string
	}{{"abcdef", 6, "abcdef"}, {"abcdefg", 6, "ab…efg"}, {"日本語", 4, "…語"}, {"abc", 1, "…"}, {"abc", 0, ""}} {
		if got := shorten(c.text, c.most); got != c.want || cells(got) > c.most {
			t.Errorf("%q in %d columns: got %q, want %q", c.text, c.most, got, c.want)
		}
	}
}
