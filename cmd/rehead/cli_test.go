package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/nn"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestCLIPage: docs/cli.md is what the commands' own help says.
func TestCLIPage(t *testing.T) {
	if slices.Contains(nn.Devices(), "cuda") {
		t.Skip("the page is of the default build, this one has more devices")
	}
	path := filepath.Join("..", "..", "docs", "cli.md")
	want := cliPage()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || strings.ReplaceAll(string(got), "\r", "") != want {
		t.Errorf("%s is stale (%v): go generate ./cmd/rehead", path, err)
	}
	if len(commands()) < 15 {
		t.Errorf("got %d commands, want all of rehead's", len(commands()))
	}
}

// TestHelpFits: no line of any command's help is wider than 80 columns.
func TestHelpFits(t *testing.T) {
	for _, cmd := range commands() {
		var b bytes.Buffer
		cmd.SetOut(&b)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > columns {
				t.Errorf("%s --help: %d columns: %q", cmd.CommandPath(), utf8.RuneCountInString(line), line)
			}
		}
	}
}

// commands are all commands, each before its own subcommands.
func commands() (all []*cobra.Command) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(newRoot(&app{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}))
	return all
}

// cliPage is docs/cli.md.
func cliPage() string {
	var b strings.Builder
	all := commands()
	fmt.Fprint(&b, "<!-- Written from the commands' help by go generate ./cmd/rehead: change the help instead. -->\n\n"+
		"# The command line\n\n", prose(all[0].Long), "\n", console(all[0].Example), "\n| command | does |\n|---|---|\n")
	for _, c := range all[1:] {
		anchor := strings.ReplaceAll(c.CommandPath(), " ", "-")
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), anchor, cell(c.Short))
	}
	for _, c := range all[1:] {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```text\n%s\n```\n%s", c.CommandPath(), prose(cmp.Or(c.Long, c.Short+".")),
			c.UseLine(), console(c.Example))
		flags(&b, c)
	}
	return b.String()
}

// flags writes a table for each group of a command's own flags.
func flags(b *strings.Builder, c *cobra.Command) {
	groups := flagGroups(c)
	for _, g := range groups {
		title := ""
		if len(groups) > 1 {
			title = g.title + ":\n\n"
		}
		fmt.Fprintf(b, "\n%s| flag | default | what |\n|---|---|---|\n", title)
		for _, f := range g.flags {
			kind, usage := pflag.UnquoteUsage(f)
			name := strings.TrimSpace("--" + f.Name + " " + kind)
			if f.Shorthand != "" {
				name = "-" + f.Shorthand + ", " + name
			}
			value := ""
			if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
				value = "`" + f.DefValue + "`"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", cell(name), cell(value), cell(usage))
		}
	}
}

// TestHelpIsWhole: every command has an example, a long help's flags are in groups with at most ten
// first, and each flag is listed once.
func TestHelpIsWhole(t *testing.T) {
	for _, cmd := range commands() {
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		groups, listed := flagGroups(cmd), map[string]bool{}
		for i, g := range groups {
			for _, f := range g.flags {
				if listed[f.Name] {
					t.Errorf("%s: --%s is listed twice", cmd.CommandPath(), f.Name)
				}
				listed[f.Name] = true
			}
			if len(groups) > 1 && i == 0 && (g.title != "What matters first" || len(g.flags) > 10) || g.title == "Others" {
				t.Errorf("%s: %q has %d flags", cmd.CommandPath(), g.title, len(g.flags))
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && f.Name != "help" && !listed[f.Name] {
				t.Errorf("%s: --%s is not listed", cmd.CommandPath(), f.Name)
			}
		})
	}
}

var (
	page     = regexp.MustCompile(`docs/(\w+\.md)`)
	indented = regexp.MustCompile(`(?m)^  `)
	begun    = regexp.MustCompile(`(?m)^  (\S)`)
)

// prose is a help text as Markdown: what is indented stays as it is, other pages become links.
func prose(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if strings.HasPrefix(p, "  ") {
			paragraphs[i] = "```text\n" + dedent(p) + "\n```"
			continue
		}
		paragraphs[i] = page.ReplaceAllString(p, "[$1]($1)")
	}
	return strings.Join(paragraphs, "\n\n")
}

// console is examples as Markdown, "" where there are none.
func console(examples string) string {
	if examples == "" {
		return ""
	}
	return "\n```console\n" + begun.ReplaceAllString(examples, "$$ $1") + "\n```\n"
}

func dedent(text string) string { return indented.ReplaceAllString(text, "") }

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
