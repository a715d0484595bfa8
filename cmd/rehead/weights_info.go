package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/inception/convert"
)

// weightsCard is what `weights info --json` prints: what the weights are and, of the trunk in the
// binary and the official files, what is known of them.
type weightsCard struct {
	*convert.Info
	*trunkCard
}

func newWeightsInfo(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info REF",
		Short: "Describe weights: flavour, recipe, classifier, source, digest",
		Example: `  rehead weights info embedded
  rehead weights info net.pth --json`,
		Args: needArgs(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, _ := a.store() // without a cache folder nothing was pulled, and Describe says so
			c, err := store.Describe(args[0])
			if err != nil {
				return err
			}
			info := weightsCard{c, a.knownTrunk(func(digest string) bool { return digest == c.Digest })}
			if asJSON {
				return printJSON(a.stdout, info)
			}
			_, err = fmt.Fprint(a.stdout, info.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// String is the card as people read it.
func (c weightsCard) String() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, wrapped(fmt.Sprintf(format, args...), 13, strings.Repeat(" ", 13)))
	}
	if c.trunkCard != nil {
		row("name", "%s, licence %s", c.Name, c.License)
		if text := c.accuracy(); text != "" {
			row("accuracy", "%s", text)
		}
	}
	if c.File != "" {
		row("file", "%s", c.File)
	}
	if c.Format != "" {
		row("kind", "%s, %d bytes, SHA-256 %s", c.Format, c.Bytes, c.SHA256)
	}
	row("flavour", "%s", c.Flavor)
	row("width", "%g (%.2f M parameters in %d tensors, %.2f GFLOP a picture)", c.Width, float64(c.Parameters)/1e6,
		c.Tensors, c.GFLOP)
	row("bottleneck", "%d features", c.Features)
	if c.Classes > 0 {
		row("classifier", "%d classes", c.Classes)
	} else {
		row("classifier", "none")
	}
	row("recipe", "%s", c.Recipe.Describe())
	row("source", "%s", c.Source)
	row("digest", "%s", c.Digest)
	if c.Ignored > 0 {
		row("passed over", "%d of the file's tensors, which inference does not use", c.Ignored)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Notes)) {
		row(name, "%s", c.Notes[name])
	}
	return b.String()
}
