package picture_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/datatest"
)

func BenchmarkDecode(b *testing.B) {
	for _, format := range []string{"jpeg", "png"} {
		b.Run(format, func(b *testing.B) {
			data := picturetest.Encode(b, format, picturetest.Noise(500, 375, 1))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := picture.Decode(data, picture.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	for _, size := range [][2]int{{320, 240}, {1600, 1200}} {
		img, _, err := picture.Decode(picturetest.Encode(b, "jpeg", picturetest.Noise(size[0], size[1], 1)), picture.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		for _, filter := range filters {
			b.Run(fmt.Sprintf("%dx%d/%s", size[0], size[1], filter), func(b *testing.B) {
				r := picturetest.Recipe(299, filter)
				dst := make([]float32, 3*299*299)
				b.ReportAllocs()
				for b.Loop() {
					if err := r.Apply(img, 1, dst); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkFlowers takes photographs of 0.05 to 0.25 megapixel through Load; an iteration is one
// photograph.
func BenchmarkFlowers(b *testing.B) {
	paths, err := filepath.Glob(filepath.Join(datatest.Shared(b, "data", "flowers"), "*", "*.jpg"))
	if err != nil || len(paths) == 0 {
		b.Fatalf("%d photographs, %v", len(paths), err)
	}
	var files [][]byte
	for _, path := range paths {
		data, err := source.Read(path, picture.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, data)
	}
	b.Run("decode", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, _, err := picture.Decode(files[i%len(files)], picture.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, filter := range filters {
		b.Run("load/"+filter, func(b *testing.B) {
			r := picturetest.Recipe(299, filter)
			dst := make([]float32, 3*299*299)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := r.Load(files[i%len(files)], picture.Limits{}, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
