#!/usr/bin/env bash
# github.com/minio/minio-go/v7 v7.4.1: a chain of credentials drops every provider's error, and one in which all fail
# signs nothing and says nothing.
#
# Version: github.com/minio/minio-go/v7 v7.4.1 (pkg/credentials).
# Behaviour: credentials.NewChainCredentials asks its providers in turn and throws their errors away. A profile that
# the shared file does not have, or a file that cannot be read, is passed over for the next provider; after the last
# one Get returns empty keys of the type anonymous and a nil error. Alone, the same provider returns its error.
# Expected: as with AWS's SDKs, the error of a profile that was named and is not there.
# Seen 2026-12-01: alone "section \"wrong\" does not exist"; in a chain no error, and a request without Authorization
# What follows: a misspelt AWS_PROFILE shows as 403 of some object, or as the objects of a public bucket. Ask the
# providers one by one, and stop at one that fails though it was named.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
cat > main.go <<'E'
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	const file = "credentials"
	if err := os.WriteFile(file, []byte("[right]\naws_access_key_id = key\naws_secret_access_key = secret\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	wrong := &credentials.FileAWSCredentials{Filename: file, Profile: "wrong"}
	_, alone := credentials.New(wrong).GetWithContext(nil)
	chain := credentials.NewChainCredentials([]credentials.Provider{wrong})
	v, err := chain.GetWithContext(nil)
	fmt.Printf("alone: %v\nin a chain: %q of type %v, error %v\n", alone, v.AccessKeyID, v.SignerType, err)

	signed := "no request came"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed = r.Header.Get("Authorization")
		w.Header().Set("Last-Modified", "Tue, 01 Dec 2026 00:00:00 GMT")
	}))
	defer s.Close()
	client, newErr := minio.New(s.Listener.Addr().String(), &minio.Options{Creds: chain, Region: "us-east-1"})
	if newErr != nil {
		log.Fatal(newErr)
	}
	_, stat := client.StatObject(context.Background(), "bucket", "object", minio.StatObjectOptions{})
	fmt.Printf("a request: Authorization %q, error %v\n", signed, stat)
	if alone == nil || err != nil || v.AccessKeyID != "" || v.SignerType != credentials.SignatureAnonymous ||
		signed != "" || stat != nil {
		log.Fatal("the behaviour has changed")
	}
}
E
go mod init finding 2>/dev/null
go get github.com/minio/minio-go/v7@v7.4.1 2>/dev/null
go run .
