package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/internal/buckettest"
)

// objects serves the files of a folder as objects of one bucket, to be measured and got whole.
func objects(t *testing.T, dir string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(r.URL.Path, "/texts/")))
		if err != nil {
			http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(len(data))))
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(data))
	}))
	t.Cleanup(s.Close)
	buckettest.Environment(t, s.URL)
}

// TestRegression_TextsInBuckets: the small files that commands take are read from buckets too, and what is
// wrong in one is told of its address.
func TestRegression_TextsInBuckets(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	objects(t, dir)
	const table = "path,part,label,answer,probability\na.jpg,test,x,x,0.9\n"
	for name, text := range map[string]string{
		"fixes.csv": "path,action\nnone.jpg,drop\n", "wrong.csv": "path,action\na.jpg,burn\n",
		"weights.json": `{"x": "much"}`, "a.csv": table, "b.csv": strings.ReplaceAll(table, "x,x", "x,y"),
		"c.csv": "path\n", "twice.txt": "a\na\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manifest := filepath.Join(dir, "list.csv")
	if err := os.WriteFile(manifest, []byte("image,label\nx.jpg,0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c comparison
	must(t, &c, "compare", "s3://texts/a.csv", "s3://texts/b.csv", "--json")
	if c.OnlyA != 1 || c.NameB != "b.csv" {
		t.Errorf("got %+v, want one picture that a.csv alone has right", c)
	}
	out := filepath.Join(dir, "model")
	train := []string{"train", w.pictures, "--weights", w.trunk, "--cache", "none", "-o", out}
	fails(t, append(train, "--corrections", "s3://texts/fixes.csv"), "none.jpg")
	fails(t, append(train, "--corrections", "s3://texts/wrong.csv"), "s3://texts/wrong.csv", "burn")
	fails(t, append(train, "--corrections", "s3://texts/gone.csv"), "s3://texts/gone.csv", "not exist")
	fails(t, append(train, "--class-weights", "s3://texts/weights.json"), "s3://texts/weights.json", "factors by label")
	fails(t, []string{"train", manifest, "--weights", w.trunk, "--classes", "s3://texts/twice.txt", "-o", out}, "on line 1 and on line 2")
	fails(t, []string{"compare", "s3://texts/a.csv", "s3://texts/c.csv"}, "s3://texts/c.csv", "evaluate --predictions")
	fails(t, []string{"weights", "convert", w.trunk, "--labels", "s3://texts/none.txt", out}, "s3://texts/none.txt", "not exist")
	fails(t, []string{"predict", w.model, "s3://."}, `the bucket is called "."`, "3 to 63 letters")
}
