//go:build avif

package main

import "github.com/c236555e/rehead/dataset/picture/avif"

func init() {
	if err := avif.Register(); err != nil { // it is registered already: a mistake of whoever builds
		panic(err)
	}
}
