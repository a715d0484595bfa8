package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// app is the outside world as the subcommands see it, so that tests can stand in for it.
type app struct {
	stdin          io.Reader // nil in most tests
	stdout, stderr io.Writer
	tty            bool                // stdout is a terminal
	errTTY         bool                // stderr is a terminal: progress bars may be drawn
	size           func() int          // columns of the terminal, 0 where that is not known; nil in most tests
	getenv         func(string) string // "" where unset
	environ        func() []string     // all of it, NAME=VALUE; nil in most tests
	cloud          *cloud              // of the command that runs
}

func osApp() *app {
	return &app{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		tty:    term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
		size:   terminalWidth,
		getenv: os.Getenv, environ: os.Environ,
	}
}

// terminalWidth is how many columns the terminal has, asked of whichever stream is one: it may
// change while the process runs.
func terminalWidth() int {
	for _, f := range []*os.File{os.Stderr, os.Stdout} {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 0
}

// say prints a line of what was asked for.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }

// sayWrapped is say for a long line.
func (a *app) sayWrapped(format string, args ...any) {
	a.say("%s", wrapped(fmt.Sprintf(format, args...), 0, "  "))
}

// note prints progress and what is worth knowing besides: on a terminal broken between words,
// elsewhere a line each.
func (a *app) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if a.errTTY {
		text = wrapped(text, 0, "  ")
	}
	fmt.Fprintf(a.stderr, "%s\n", text)
}

// width is how many columns text for people may take; columns where that is not known.
func (a *app) width() int {
	if a.size != nil {
		if w := a.size(); w > 0 {
			return w
		}
	}
	if w, err := strconv.Atoi(a.env("COLUMNS")); err == nil && w > 0 {
		return w
	}
	return columns
}

// tableWidth is how wide a table may be before its cells are shortened: what the terminal has, or
// COLUMNS; 0, no bound, in a file or a pipe, where programs may want all of it.
func (a *app) tableWidth() int {
	if a.tty || a.env("COLUMNS") != "" {
		return a.width()
	}
	return 0
}

func (a *app) env(name string) string {
	if a.getenv == nil {
		return ""
	}
	return a.getenv(name)
}

// A style is how a terminal shows text, an SGR parameter.
type style string

const (
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// paint is text in a style on stdout, plain where that is no terminal or NO_COLOR is set.
func (a *app) paint(s style, text string) string { return a.painted(a.tty, s, text) }

// paintNote is paint for stderr.
func (a *app) paintNote(s style, text string) string { return a.painted(a.errTTY, s, text) }

func (a *app) painted(tty bool, s style, text string) string {
	if !tty || text == "" || a.env("NO_COLOR") != "" || a.env("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// severity paints the first word of a finding, "fatal:", "warning:" or "note:".
func (a *app) severity(paint func(style, string) string, line string) string {
	word, rest, ok := strings.Cut(line, ":")
	s, known := map[string]style{"fatal": red, "warning": yellow, "note": faint}[word]
	if !ok || !known {
		return line
	}
	return paint(s, word+":") + rest
}
