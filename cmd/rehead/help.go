package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// topic is a group of flags in a command's help.
type topic struct{ title, flags string }

// mostUngrouped is how many flags are listed without groups.
const mostUngrouped = 12

// topics are the groups of flags, after those that matter first, in their order. A flag that is in
// none comes last.
var topics = []topic{
	{"Pictures and labels", "corrections write-corrections multi-label labels-at image-root strip-prefix " +
		"label-separator bottlenecks image-column " +
		"label-column split-column group-column weight-column attribute classes max-bad max-bytes max-pixels"},
	{"What is held out", "validation test validation-dir test-dir part salt legacy-split seed"},
	{"Trunk and input", "weights features precision resize color stretch views augment answer-views dtype no-trunk"},
	{"Head and solver", "l2 folds scaling solver learning-rate schedule drop-every drop-factor momentum batch-size " +
		"epochs steps patience dropout label-smoothing class-weights warm-start checkpoint-every passes"},
	{"What the file does not say", "flavor mean std size pool epsilon head-activation head-output"},
	{"Findings", "min-images min-side max-aspect max-imbalance min-margin"},
	{"Model and results", "output shard-rows force name unknown neighbours min-accuracy top format explain explain-dir " +
		"json no-report report predictions plots plot-format tensorboard"},
	{"Server", "addr model-name tls-cert tls-key page watch compat fetch-host fetch-scheme log-level drain-delay " +
		"shutdown-timeout"},
	{"Limits", "max-body max-held max-answer max-decode max-records max-batch max-queue max-connections max-header " +
		"header-timeout idle-timeout timeout"},
	{"This machine", "threads device head-device kernel batch memory cache"},
}

// first says which flags of a command matter first, at most ten.
func first(cmd *cobra.Command, flags string) {
	cmd.Annotations = map[string]string{"first": flags}
}

// flagGroup is a group of a command's flags.
type flagGroup struct {
	title string
	flags []*pflag.Flag
}

// flagGroups are the flags of a command in their groups.
func flagGroups(cmd *cobra.Command) []flagGroup {
	cmd.InitDefaultHelpFlag()
	left := map[string]*pflag.Flag{}
	var rest []string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			left[f.Name] = f
			rest = append(rest, f.Name)
		}
	})
	if len(left) == 0 {
		return nil
	}
	list := []topic{{"Flags", strings.Join(rest, " ")}}
	if len(left) > mostUngrouped {
		list = slices.Concat([]topic{{"What matters first", cmd.Annotations["first"]}}, topics,
			[]topic{{"Others", strings.Join(rest, " ")}})
	}
	var groups []flagGroup
	for _, t := range list {
		g := flagGroup{title: t.title}
		for _, name := range strings.Fields(t.flags) {
			if f := left[name]; f != nil {
				g.flags = append(g.flags, f)
				delete(left, name)
			}
		}
		if len(g.flags) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// helpWidth makes pflag break the flags' help within 80 columns: it lets a line be 5 longer.
const helpWidth = 75

// usage prints what stands below a command's description in its help.
func (a *app) usage(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	head := func(text string) { fmt.Fprintf(out, "\n%s\n", a.paint(bold, text+":")) }
	fmt.Fprintf(out, "%s\n  %s\n", a.paint(bold, "Usage:"), cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		head("Commands")
		t := table{right: "ll"}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				t.row(sub.Name(), sub.Short)
			}
		}
		for _, line := range t.lines(0) {
			fmt.Fprintf(out, "  %s\n", line)
		}
	}
	if cmd.HasExample() {
		head("Examples")
		fmt.Fprintf(out, "%s\n", cmd.Example)
	}
	for _, g := range flagGroups(cmd) {
		head(g.title)
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.SortFlags = false
		for _, f := range g.flags {
			set.AddFlag(f)
		}
		fmt.Fprint(out, set.FlagUsagesWrapped(helpWidth))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\n%s COMMAND --help says more of a command.\n", cmd.CommandPath())
	}
	return nil
}
