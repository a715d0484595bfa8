//go:build gpu

package main

import _ "github.com/c236555e/rehead/nn/cuda" // registers itself
