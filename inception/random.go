package inception

// RandomConfig describes made-up weights; the zero value is the full network of flavour tf-2015 from seed 0.
type RandomConfig struct {
	Width   float64 // 0 means 1
	Seed    uint64
	Flavor  Flavor // "" means TF2015
	Classes int    // 0: no classifier
	Size    int    // side of the input in pixels, at least MinSize; 0 means the flavour's
}
