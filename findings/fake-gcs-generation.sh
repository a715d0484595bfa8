#!/usr/bin/env bash
# github.com/fsouza/fake-gcs-server v1.56.1: reads and removals pass over ifGenerationMatch; uploads heed it.
#
# Version: github.com/fsouza/fake-gcs-server v1.56.1 (fakestorage, over HTTP).
# Behaviour: GET of an object's bytes or of what is known of it, and DELETE, answer as if ifGenerationMatch were not
# there, whatever generation it names. An upload with the same condition is refused with 412.
# Expected: as of Google's service, 412 from each of them where the object is of another generation.
# Seen 2026-12-01: 200, 200 and 200 for a generation that there is not; 412 for the upload
# What follows: a test on this fake cannot tell a client that reads what it listed from one that reads what was written
# since. Compare the generation in the answer, and try such tests on a real bucket.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
cat > main.go <<'E'
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

func main() {
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1", Writer: io.Discard,
		InitialObjects: []fakestorage.Object{{Content: []byte("bytes"),
			ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "bucket", Name: "object"}}}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Stop()
	changed := false
	for _, c := range []struct {
		method, path, body string
		seen               int
	}{
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=object&ifGenerationMatch=1", "others", 412},
		{"GET", "/storage/v1/b/bucket/o/object?alt=media&ifGenerationMatch=1", "", 200},
		{"GET", "/storage/v1/b/bucket/o/object?ifGenerationMatch=1", "", 200},
		{"DELETE", "/storage/v1/b/bucket/o/object?ifGenerationMatch=1", "", 200},
	} {
		r, err := http.NewRequest(c.method, s.URL()+c.path, strings.NewReader(c.body))
		if err != nil {
			log.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		if err = resp.Body.Close(); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s: %d, %d bytes\n", c.method, c.path, resp.StatusCode, len(data))
		changed = changed || resp.StatusCode != c.seen
	}
	if changed {
		log.Fatal("the behaviour has changed")
	}
}
E
go mod init finding 2>/dev/null
go get github.com/fsouza/fake-gcs-server@v1.56.1 2>/dev/null
go run .
