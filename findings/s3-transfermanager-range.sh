#!/usr/bin/env bash
# github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager v0.5.7: GetObject with a Range returns the
# whole object.
#
# Version: github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager v0.5.7.
# Behaviour: GetObjectInput has a field Range. In the client's usual mode, which gets by part number, it
# is not sent: the wire shows a HEAD and a GET with partNumber=1 and no Range header. The body holds
# every byte, ContentRange says so, and the error is nil. service/s3 with the same field sends it.
# Expected: ten bytes, or an error that the field does not go with this mode.
# Seen 2026-11-30, bytes=10-19 of 1,000: service/s3 10 bytes; transfermanager 1,000 bytes, Range ""
# What follows: a reader of byte ranges that moves to this client reads its records from the start of
# the object. Compare the length with what was asked for, or read ranges by service/s3.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
cat > main.go <<'E'
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func main() {
	ctx := context.Background()
	store := gofakes3.New(s3mem.New()).Server()
	var wire []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wire = append(wire, fmt.Sprintf("%s %s, Range %q", r.Method, r.URL.RequestURI(), r.Header.Get("Range")))
		store.ServeHTTP(w, r)
	}))
	defer srv.Close()
	c := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")})
	bucket, key, span := aws.String("bucket"), aws.String("object"), aws.String("bytes=10-19")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		log.Fatal(err)
	}
	data := bytes.NewReader(make([]byte, 1000))
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: data}); err != nil {
		log.Fatal(err)
	}

	wire = nil
	plain, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: span})
	if err != nil {
		log.Fatal(err)
	}
	a, err := io.ReadAll(plain.Body)
	fmt.Println("service/s3:     ", len(a), "bytes, error", err, wire)

	wire = nil
	managed, err := transfermanager.New(c).GetObject(ctx,
		&transfermanager.GetObjectInput{Bucket: bucket, Key: key, Range: span})
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(managed.Body)
	fmt.Println("transfermanager:", len(b), "bytes, error", err, wire)
	if len(a) != 10 || len(b) != 1000 || err != nil || len(wire) != 2 ||
		wire[1] != `GET /bucket/object?partNumber=1&x-id=GetObject, Range ""` {
		log.Fatal("the behaviour has changed")
	}
}
E
go mod init finding 2>/dev/null
go get github.com/aws/aws-sdk-go-v2@v1.48.0 github.com/aws/aws-sdk-go-v2/credentials@v1.21.0 \
	github.com/aws/aws-sdk-go-v2/service/s3@v1.114.10 \
	github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager@v0.5.7 \
	github.com/johannesboyne/gofakes3@v1.2.0 2>/dev/null
go run .
