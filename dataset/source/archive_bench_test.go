package source_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
)

// BenchmarkArchives lists and reads 1,200 files of 128 KiB that do not shrink, as photographs do
// not, from a folder and from archives of it: once in the order that Order gives, and then 12 in no
// order.
//
//	go test -run NONE -bench Archives -benchtime 1x ./dataset/source
func BenchmarkArchives(b *testing.B) {
	const files, size = 1200, 128 << 10
	root := b.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, size)
	for i := range files {
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		copy(data, "\xff\xd8\xff")
		picturetest.Write(b, filepath.Join(root, "label", fmt.Sprintf("%d.jpg", rng.IntN(1e9)+i)), data)
	}
	for _, ending := range append([]string{"folder"}, picturetest.Archives()...) {
		path := root
		if ending != "folder" {
			path = picturetest.Pack(b, root, ending)
		}
		var list []source.File
		read := func(b *testing.B, i int) {
			if _, err := list[i].Read(picture.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(ending+"/list", func(b *testing.B) {
			for b.Loop() {
				var err error
				if list, _, err = source.List(path); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*len(list)), "us/file")
		})
		b.Run(ending+"/all", func(b *testing.B) {
			for b.Loop() {
				for _, i := range source.Order(list, func(f source.File) source.File { return f }) {
					read(b, i)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*len(list)), "us/file")
		})
		b.Run(ending+"/astray", func(b *testing.B) {
			for b.Loop() {
				for i := range 12 {
					read(b, (i*7919)%len(list))
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*12), "us/file")
		})
	}
}
