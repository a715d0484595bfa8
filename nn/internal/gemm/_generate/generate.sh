#!/bin/sh
# Writes the assembly of the folder above.
set -eu
cd "$(dirname "$0")"
go run . -out ../tile_amd64.s
