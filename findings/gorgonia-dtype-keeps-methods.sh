#!/usr/bin/env bash
# gorgonia.org/tensor v0.9.24: a program that links it keeps every exported method of every linked type.
#
# Version: gorgonia.org/tensor v0.9.24, google.golang.org/protobuf v1.36.12, Go 1.26.
# Behaviour: Go's linker leaves out exported methods that nothing calls. It must give that up where a
# method may be looked up by a name that it does not know. tensor.Dtype embeds reflect.Type, so it has a
# method MethodByName that passes on whatever name it is given, and tensor links protobuf, which looks
# methods up. Neither does it alone: a program with protobuf drops what nothing calls, as does one with a
# struct around a reflect.Type; one with both keeps everything.
# Seen 2026-11-30: protobuf dropped, struct dropped, protobuf and struct kept, tensor kept
# What follows: a server with Gorgonia is larger by what its other packages export (10 of 48 MB in one
# case). No flag of the linker helps, and neither does a template or a command line library that avoids
# reflection.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export GOFLAGS=-mod=mod GOWORK=off
go version
go mod init finding 2>/dev/null
go get gorgonia.org/tensor@v0.9.24 google.golang.org/protobuf@v1.36.12 \
	go4.org/unsafe/assume-no-moving-gc@v0.0.0-20231121144256-b99613f794b6 2>/dev/null
# program NAME LINES: prints a value of a type with a method that nothing calls.
program() {
	mkdir "$1"
	{
		echo 'package main'
		echo 'import "fmt"'
		printf '%s\n' "$2"
		echo 'type T struct{ N int }'
		echo '//go:noinline'
		echo 'func (t T) NobodyCallsThis() string { return fmt.Sprint("never ", t.N) }'
		echo 'func main() { var v any = T{1}; fmt.Println(v) }'
	} >"$1/main.go"
	go build -o "$1/program" "./$1"
	local found
	found=$(go tool nm "$1/program" | grep -c 'main\.T\.NobodyCallsThis$' || true)
	if [ "$found" -gt 0 ]; then echo kept; else echo dropped; fi
}
tensor='import _ "gorgonia.org/tensor"'
protobuf='import _ "google.golang.org/protobuf/types/known/wrapperspb"'
embeds='import "reflect"
type dtype struct{ reflect.Type }
var kept any = dtype{reflect.TypeFor[int]()}
func init() { fmt.Println(kept) }'
seen="protobuf $(program a "$protobuf"), struct $(program b "$embeds"), protobuf and struct $(program c "$protobuf"$'\n'"$embeds"), tensor $(program d "$tensor")"
echo "a method that nothing calls: $seen"
[ "$seen" = "protobuf dropped, struct dropped, protobuf and struct kept, tensor kept" ] ||
	{ echo 'the behaviour has changed'; exit 1; }
