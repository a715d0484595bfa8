package main

import (
	"fmt"
	"math"

	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/inception/registry"
	"github.com/c236555e/rehead/train/metrics"
)

// trunkCard is what is published of a trunk, or was measured.
type trunkCard struct {
	Name    string  `json:"name"` // what --weights calls it
	License string  `json:"license"`
	Top1    float64 `json:"top1,omitempty"` // on ImageNet's validation pictures, percent
	Probe   *probe  `json:"probe,omitempty"`
}

// probe is a measured linear probe with its 95 % interval.
type probe struct {
	embedded.Probe
	Interval [2]float64 `json:"accuracy_interval"`
}

// builtIn is what is known of the trunk in the binary.
func builtIn() *trunkCard {
	f := embedded.Describe()
	right := int(math.Round(f.Probe.Accuracy * float64(f.Probe.Images)))
	return &trunkCard{Name: f.Name, License: f.License, Probe: &probe{f.Probe, metrics.Wilson(right, f.Probe.Images)}}
}

// knownTrunk finds the trunk whose digest is meant among the one in the binary and those that were
// pulled; nil when it is another.
func (a *app) knownTrunk(is func(digest string) bool) *trunkCard {
	if is(embedded.Describe().Digest) {
		return builtIn()
	}
	store, err := a.store()
	if err != nil {
		return nil
	}
	pulls, err := store.Pulls()
	if err != nil { // commands that need it say what is damaged
		return nil
	}
	for _, p := range pulls {
		if is(p.Digest) {
			return published(p.Entry)
		}
	}
	return nil
}

// published is what is known of an official file.
func published(e registry.Entry) *trunkCard {
	return &trunkCard{Name: e.Name, License: e.License, Top1: e.Top1}
}

// accuracy is what the trunk reaches, for people; "" when nothing is known.
func (k *trunkCard) accuracy() string {
	switch {
	case k.Probe != nil:
		p := k.Probe
		return fmt.Sprintf("linear probe of %d %s, %d labels: %.1f %% (95 %% interval %.0f to %.0f %%)",
			p.Images, p.Pictures, p.Labels, 100*p.Accuracy, 100*p.Interval[0], 100*p.Interval[1])
	case k.Top1 > 0:
		return fmt.Sprintf("top-1 %.1f %% on ImageNet's validation pictures, as published", k.Top1)
	}
	return ""
}
