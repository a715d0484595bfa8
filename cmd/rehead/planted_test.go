package main

import (
	"cmp"
	"fmt"
	"image"
	_ "image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/draw"
)

// plantedSets are folders of different pictures, and how many of 60 planted copies are found at
// least.
var plantedSets = []struct {
	name  string
	least int
	fill  func(t *testing.T, dir string)
}{
	{"flowers", 57, linked("flowers")},
	{"signs", 45, linked("signs")},
	{"plate", 25, surfaces},
	{"part", 22, surfaces},
}

// linked fills a folder with links to the pictures of a set outside the project.
func linked(set string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		files, err := filepath.Glob(filepath.Join(datatest.Shared(t, "data", set), "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			label := filepath.Join(dir, filepath.Base(filepath.Dir(file)))
			if err := os.MkdirAll(label, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(file, filepath.Join(label, filepath.Base(file))); err != nil {
				t.Skipf("no symbolic links here: %v", err)
			}
		}
	}
}

// surfaces draws 400 pictures of low contrast.
func surfaces(t *testing.T, dir string) {
	if err := draw.Surfaces(dir, filepath.Base(dir), 100, 1); err != nil {
		t.Fatal(err)
	}
}

// plantCopies writes n altered copies of pictures below dir, every other one under another label,
// and returns the original and the alteration of each.
func plantCopies(t *testing.T, dir string, n int) (original, how map[string]string) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) < n {
		t.Fatalf("%d files in %s: %v", len(files), dir, err)
	}
	labels, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	original, how = map[string]string{}, map[string]string{}
	rng, ways := rand.New(rand.NewPCG(60, 60)), draw.Alterations()
	for k, i := range rng.Perm(len(files))[:n] {
		f, err := os.Open(files[i])
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		way, label := ways[k%len(ways)], filepath.Base(filepath.Dir(files[i]))
		data, err := way.Apply(img)
		if err != nil {
			t.Fatal(err)
		}
		from := label + "/" + filepath.Base(files[i])
		if k%2 == 1 {
			label = filepath.Base(labels[rng.IntN(len(labels))])
		}
		rel := fmt.Sprintf("%s/copy-%02d.jpg", label, k)
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(rel)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		original[rel], how[rel] = from, way.Name
	}
	return original, how
}

// TestPlantedCopies: of 60 altered copies doctor finds most, also where all pictures resemble each
// other, and glues no different pictures together. With the trunks too:
//
//	go test ./cmd/rehead -run TestPlantedCopies -v -args -planted none,embedded,FILE
func TestPlantedCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes 2,300 pictures: too slow here")
	}
	refs := strings.Split(cmp.Or(os.Getenv("REHEAD_PLANTED"), "none"), ",")
	for _, set := range plantedSets {
		t.Run(set.name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, set.name)
			set.fill(t, dir)
			original, how := plantCopies(t, dir, 60)
			for _, ref := range refs {
				args := []string{"doctor", dir, "--json"}
				if ref != "none" {
					args = append(args, "--weights", ref, "--cache", filepath.Join(root, "cache"))
				}
				var c doctor.Checkup
				must(t, &c, args...)
				found, wrong, missed := scorePlanted(t, &c, original, how)
				t.Logf("%s, %s: found %d of 60, %d wrong groups: precision %.2f, recall %.2f; missed %v", set.name,
					filepath.Base(ref), found, wrong, float64(found)/float64(max(1, found+wrong)), float64(found)/60, missed)
				if found < set.least || wrong > 0 {
					t.Errorf("found %d of 60 and %d wrong groups, want at least %d and none", found, wrong, set.least)
				}
			}
		})
	}
}

// scorePlanted counts the copies that lie in one group with their original, and the groups of
// pictures that are not all one.
func scorePlanted(t *testing.T, c *doctor.Checkup, original, how map[string]string) (found, wrong int,
	missed map[string]int) {
	group := map[string]int{}
	for n, g := range slices.Concat(c.Duplicates, c.NearDuplicates) {
		all := map[string]bool{}
		for _, rel := range g.Images {
			group[rel] = n + 1
			if from, ok := original[rel]; ok {
				rel = from
			}
			all[rel] = true
		}
		if len(all) > 1 {
			wrong++
			t.Logf("different pictures: %v, distance %.4f", g.Images, g.Distance)
		}
	}
	missed = map[string]int{}
	for rel, from := range original {
		if group[rel] != 0 && group[rel] == group[from] {
			found++
		} else {
			missed[how[rel]]++
		}
	}
	return found, wrong, missed
}
