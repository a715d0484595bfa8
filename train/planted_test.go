package train

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/datatest"
)

// planted is a folder of flowers with faults of which the test knows.
type planted struct {
	dir    string
	flips  map[string]bool      // pictures under a wrong label, by Item.Rel
	copies map[string]bool      // copies under another label
	pairs  map[[2]string]string // copy and original, and how it was made
}

// plant lays out the photographs as links below dir, 5 % of them under a wrong label, and copies of
// 20 others under a wrong label: half of them byte for byte, half encoded anew at quality 75.
func plant(t *testing.T, dir string, flowers []datatest.Flower, seed uint64) planted {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 20))
	var labels []string
	for _, f := range flowers {
		if len(labels) == 0 || labels[len(labels)-1] != f.Label {
			labels = append(labels, f.Label)
			mkdir(t, dir, f.Label)
		}
	}
	wrong := func(label string) string {
		for {
			if l := labels[rng.IntN(len(labels))]; l != label {
				return l
			}
		}
	}
	p := planted{dir, map[string]bool{}, map[string]bool{}, map[[2]string]string{}}
	flips, copies := len(flowers)/20, 20
	for n, i := range rng.Perm(len(flowers)) {
		f := flowers[i]
		rel := f.Rel
		if n < flips {
			rel = wrong(f.Label) + "/" + filepath.Base(f.Rel)
			p.flips[rel] = true
		}
		if err := os.Symlink(f.Path, filepath.Join(dir, filepath.FromSlash(rel))); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
		if n < flips || n >= flips+copies {
			continue
		}
		data, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		how := "equal bytes"
		if n%2 == 0 {
			how = "encoded anew"
			img, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 75}); err != nil {
				t.Fatal(err)
			}
			data = b.Bytes()
		}
		copied := wrong(f.Label) + "/copy-" + filepath.Base(f.Rel)
		write(t, data, dir, copied)
		p.copies[copied], p.pairs[[2]string{copied, rel}] = true, how
	}
	return p
}

// TestPlantedFaults plants 20 duplicates across labels and 5 % wrong labels among the flower
// photographs, several times over, trains on them with the real trunk, and measures how well the
// two lists find them.
func TestPlantedFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("embeds 700 photographs with the full network, a minute")
	}
	flowers := datatest.Flowers(t, "photos")
	w, err := inception.ReadWeights(datatest.Shared(t, "weights", "inception-2015-12-05.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	const drawings = 4
	var pairsFound, pairs, pairsListed, suspects, right, flipsFound, flips float64
	for seed := range uint64(drawings) {
		p := plant(t, filepath.Join(t.TempDir(), fmt.Sprint(seed)), flowers, seed)
		res, err := Run(context.Background(), scan(t, p.dir), w, Config{EmbedConfig: EmbedConfig{CacheDir: cache}})
		if err != nil {
			t.Fatal(err)
		}
		found, listed := 0, 0
		for _, group := range append(append([]doctor.Duplicates(nil), res.Checkup.Duplicates...),
			res.Checkup.NearDuplicates...) {
			if len(group.Labels) < 2 {
				continue
			}
			listed += len(group.Images) - 1
			for pair := range p.pairs {
				if members := strings.Join(group.Images, "\n") + "\n"; strings.Contains(members, pair[0]+"\n") &&
					strings.Contains(members, pair[1]+"\n") {
					found++
					delete(p.pairs, pair)
				}
			}
		}
		hits, flipped := 0, 0
		list := res.Metrics.LabelErrors.List
		for _, e := range list {
			if p.flips[e.Image] {
				flipped++
			}
			if p.flips[e.Image] || p.copies[e.Image] {
				hits++
			}
		}
		if res.Metrics.LabelErrors.Found != len(list) {
			t.Fatalf("%d suspects, of which the list has %d", res.Metrics.LabelErrors.Found, len(list))
		}
		t.Logf("drawing %d: %d of 20 duplicates found, %d listed across labels; %d suspected labels, %d right, %d of %d "+
			"flipped ones among them; test accuracy %.3f; missed copies %v",
			seed, found, listed, len(list), hits, flipped, len(p.flips), res.Metrics.Test.Accuracy, p.pairs)
		pairsFound, pairs, pairsListed = pairsFound+float64(found), pairs+20, pairsListed+float64(listed)
		suspects, right = suspects+float64(len(list)), right+float64(hits)
		flipsFound, flips = flipsFound+float64(flipped), flips+float64(len(p.flips))
	}
	t.Logf("duplicates across labels: precision %.3f, recall %.3f; label errors: precision %.3f, recall "+
		"of flipped labels %.3f",
		pairsFound/pairsListed, pairsFound/pairs, right/suspects, flipsFound/flips)
	if !(pairsFound/pairs >= 0.95) || !(pairsFound/pairsListed >= 0.95) || !(right/suspects >= 0.5) ||
		!(flipsFound/flips >= 0.75) {
		t.Error("want 0.95, 0.95, 0.5 and 0.75 at least")
	}
}
