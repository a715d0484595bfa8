// Command _generate_neon writes the NEON kernels of nn/internal/kernel and
// nn/internal/gemm for arm64. Run it through go generate in those folders.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	part := flag.String("part", "", "what to write: direct, wino or gemm")
	out := flag.String("out", "", "the file to write")
	flag.Parse()
	a := new(assembly)
	switch *part {
	case "direct":
		directKernels(a)
		poolKernels(a)
	case "wino":
		winogradKernels(a)
	case "gemm":
		gemmKernels(a)
	default:
		fmt.Fprintf(os.Stderr, "_generate_neon: got part %q, want direct, wino or gemm\n", *part)
		os.Exit(2)
	}
	if err := os.WriteFile(*out, a.text(*part), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "_generate_neon:", err)
		os.Exit(1)
	}
}
