package main

import (
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	var v struct {
		Version, Go, Kernel string
		Devices             []string
	}
	must(t, &v, "version", "--json")
	if v.Version == "" || !strings.HasPrefix(v.Go, "go1.") || v.Kernel == "" || len(v.Devices) == 0 {
		t.Errorf("got %+v", v)
	}
	o := command(t, "version", "--licenses")
	for _, want := range []string{"Go standard library and runtime: LICENSE", "gorgonia.org/gorgonia v",
		"Inception-2015-12-05"} {
		if o.code != exitDone || !strings.Contains(o.stdout, want) {
			t.Errorf("version --licenses: code %d, %d bytes without %q", o.code, len(o.stdout), want)
		}
	}
}
