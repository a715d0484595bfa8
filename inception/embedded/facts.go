package embedded

// Facts is what is known of the trunk in the binary before it is read.
type Facts struct {
	Name    string `json:"name"`    // what --weights calls it
	Bytes   int    `json:"bytes"`   // of the file
	SHA256  string `json:"sha256"`  // of the file, in hexadecimal
	Digest  string `json:"digest"`  // inception.Weights.Digest
	License string `json:"license"` // that of the network which it was made from
	Probe   Probe  `json:"probe"`
}

// Probe is the share of photographs that a linear head on the trunk's bottlenecks labels rightly, each by a head that
// has not seen it. README.md beside this file says how it is measured.
type Probe struct {
	Pictures string  `json:"pictures"` // what they show
	Images   int     `json:"images"`   //
	Labels   int     `json:"labels"`   //
	Accuracy float64 `json:"accuracy"` // 0..1
}

// Describe returns the facts. The figures belong to the file of this SHA-256, which a test compares with the one in the
// binary: with another trunk they are measured anew.
func Describe() Facts {
	return Facts{
		Name:    Name,
		Bytes:   len(file),
		SHA256:  "f51da8d073a139d4eb3ad91813cd7518648305e41fd681aad16b0c2766a94eed",
		Digest:  "7d9e573561780c3a659cbc5a890534444950cb5ceac449f60d5d47e740ccd22f",
		License: "Apache-2.0",
		Probe:   Probe{Pictures: "flower photographs", Images: 700, Labels: 5, Accuracy: 0.790},
	}
}
