package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/inception/registry"
)

// listed is a line of `weights list`: an official file, or the trunk in the binary, which has
// neither address nor name of a file.
type listed struct {
	registry.Entry
	Digest  string `json:"digest,omitempty"` // of the converted trunk, where it is here
	Probe   *probe `json:"probe,omitempty"`
	Pulled  bool   `json:"pulled"`
	BuiltIn bool   `json:"built_in"`
}

func newWeightsList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the trunk in this binary and the official weight files",
		Example: `  rehead weights list
  rehead weights list --json`,
		Args: needArgs(0, 0),
		RunE: func(*cobra.Command, []string) error {
			lines, err := a.listWeights()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, lines)
			}
			a.printWeights(lines)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return cmd
}

// listWeights lists the trunk in the binary, then the official files.
func (a *app) listWeights() ([]listed, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	pulls, err := store.Pulls()
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, p := range pulls {
		digests[p.Name] = p.Digest
	}
	w, err := embedded.Weights()
	if err != nil {
		return nil, err
	}
	f := embedded.Describe()
	lines := []listed{{
		Entry: registry.Entry{
			Name: f.Name, SHA256: f.SHA256, Size: int64(f.Bytes), License: f.License, Flavor: w.Flavor, Recipe: w.Recipe,
			Source: w.Source, Checked: "this binary's own tests",
		},
		Digest: f.Digest, Probe: builtIn().Probe, BuiltIn: true,
	}}
	for _, e := range registry.Entries() {
		digest, here := digests[e.Name]
		lines = append(lines, listed{Entry: e, Digest: digest, Pulled: here})
	}
	return lines, nil
}

// printWeights writes the list as people read it, without the files' names, for which a line has no
// room.
func (a *app) printWeights(lines []listed) {
	t := table{head: []string{"name", "flavour", "classes", "MB", "top-1", "here", "licence"}, right: "llrrrll"}
	for _, l := range lines {
		top1, mark := "", ""
		if l.Top1 > 0 {
			top1 = fmt.Sprintf("%.1f", l.Top1)
		}
		switch {
		case l.BuiltIn:
			mark = "built in"
		case l.Pulled:
			mark = "pulled"
		}
		classes := ""
		if l.Classes > 0 {
			classes = strconv.Itoa(l.Classes)
		}
		t.row(l.Name, string(l.Flavor), classes, fmt.Sprintf("%.0f", float64(l.Size)/1e6), top1, mark, l.License)
	}
	a.printTable(&t, "")
	k := builtIn()
	a.sayWrapped("%s: %s. --json names each file and its address.", k.Name, k.accuracy())
}
