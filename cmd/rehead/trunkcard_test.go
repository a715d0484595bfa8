package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
)

// TestEmbedded: the trunk in the binary is described by its name everywhere, and the demonstration
// learns with it.
func TestEmbedded(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	f := embedded.Describe()
	accuracy := builtIn().accuracy()
	info := weightsCard{trunkCard: new(trunkCard)}
	must(t, &info, "weights", "info", "embedded", "--json")
	if info.Flavor != inception.TF2015 || info.Features != 1024 || info.Classes != 0 || info.Recipe.Size != 299 ||
		info.Bytes != int64(f.Bytes) || info.SHA256 != f.SHA256 ||
		info.Digest != f.Digest || info.Name != f.Name || info.License != "Apache-2.0" || info.Probe == nil ||
		info.Probe.Accuracy != f.Probe.Accuracy {
		t.Errorf("info: got %+v, %+v", info.Info, info.trunkCard)
	}
	p := info.Probe
	if !(p.Interval[0] < p.Accuracy && p.Accuracy < p.Interval[1] && p.Interval[1]-p.Interval[0] < 0.08) {
		t.Errorf("the accuracy %v is said to lie in %v", p.Accuracy, p.Interval)
	}
	var list []listed
	must(t, &list, "weights", "list", "--json")
	if l := list[0]; l.Name != f.Name || !l.BuiltIn || l.Size != int64(f.Bytes) || l.SHA256 != f.SHA256 ||
		l.Digest != f.Digest || l.License != f.License || l.Probe == nil || *l.Probe != *p {
		t.Errorf("list: got %+v", l)
	}
	var version struct {
		Embedded embedded.Facts `json:"embedded"`
	}
	must(t, &version, "version", "--json")
	if version.Embedded != f {
		t.Errorf("version: got %+v", version.Embedded)
	}
	for _, args := range [][]string{{"weights", "info", "embedded"}, {"weights", "list"}, {"version"}} {
		if o := command(t, args...); o.code != exitDone ||
			!strings.Contains(strings.Join(strings.Fields(o.stdout), " "), accuracy) ||
			!strings.Contains(o.stdout, "Apache-2.0") {
			t.Errorf("%v: got %q, want %q and the licence in it", args, o.stdout, accuracy)
		}
	}
	fails(t, []string{"weights", "pull", "embedded"}, "embedded is in this binary")
	fails(t, []string{"weights", "verify", "embedded"}, "embedded is in this binary")
}

// TestKnown: the weights of a file are called by the name under which they were pulled, those of
// another have none.
func TestKnown(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	a := &app{getenv: os.Getenv}
	is := func(want string) func(string) bool { return func(digest string) bool { return digest == want } }
	if k := a.knownTrunk(is(embedded.Describe().Digest)); k == nil || k.Name != "embedded" ||
		!strings.Contains(k.accuracy(), "95 % interval") {
		t.Errorf("the digest of the trunk in the binary: got %+v", k)
	}
	if k := a.knownTrunk(is("0123")); k != nil {
		t.Errorf("another digest: got %+v", k)
	}
	if k := (&trunkCard{Name: "keras", Top1: 77.9}).accuracy(); !strings.Contains(k, "77.9 %") {
		t.Errorf("a published accuracy: got %q", k)
	}
	if k := (&trunkCard{Name: "keras-notop"}).accuracy(); k != "" {
		t.Errorf("no published accuracy: got %q", k)
	}
	var info map[string]any
	must(t, &info, "weights", "info", "random:0.1", "--json")
	if _, there := info["license"]; there || info["width"] != 0.1 {
		t.Errorf("made-up weights: got %v", info)
	}
}

// TestKnownInt8: an int8 model has a trunk of its own, and inspect names the one whose weights it
// has.
func TestKnownInt8(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	pictures, model := filepath.Join(dir, "pictures"), filepath.Join(dir, "model")
	if err := draw.Folder(pictures, 2, 4, 5); err != nil {
		t.Fatal(err)
	}
	must(t, nil, "train", pictures, "--weights", "embedded", "--precision", "int8", "--no-report", "-o", model)
	var card modelCard
	must(t, &card, "inspect", model, "--json")
	if card.TrunkCard == nil || card.TrunkCard.Name != "embedded" || card.Precision != nn.Int8 ||
		card.Trunk == embedded.Describe().Digest {
		t.Errorf("got %+v, %s, digest %s, want the embedded trunk's name and another digest", card.TrunkCard, card.Precision,
			card.Trunk)
	}
	text := strings.Join(strings.Fields(command(t, "inspect", model).stdout), " ")
	if want := "with the weights of embedded, licence Apache-2.0 " + builtIn().accuracy() +
		", computing with float32"; !strings.Contains(text, want) {
		t.Errorf("inspect: got %q, want %q in it", text, want)
	}
}

// TestDemo: the demonstration learns with the trunk in the binary, and its model says so.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the demonstration embeds 300 pictures")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	out := filepath.Join(t.TempDir(), "demo")
	must(t, nil, "demo", "-o", out)
	var card modelCard
	must(t, &card, "inspect", filepath.Join(out, "model"), "--json")
	var scores struct {
		Test float64 `json:"test_accuracy"`
	}
	if err := json.Unmarshal(card.Metrics, &scores); err != nil {
		t.Fatal(err)
	}
	if card.Features < 1024 || !(scores.Test >= 0.9) {
		t.Errorf("demo: got %d features and a test accuracy of %v, want at least 1024 and 0.9", card.Features, scores.Test)
	}
	if card.TrunkCard == nil || card.TrunkCard.Name != "embedded" || card.TrunkCard.Probe == nil {
		t.Errorf("demo: its trunk is known as %+v", card.TrunkCard)
	}
	// its lines are as wide as the terminal
	text := strings.Join(strings.Fields(command(t, "inspect", filepath.Join(out, "model")).stdout), " ")
	if !strings.Contains(text, "which is embedded, licence Apache-2.0") || !strings.Contains(text, builtIn().accuracy()) {
		t.Errorf("inspect: got %q", text)
	}
}
