package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// app is the outside world as the subcommands see it, so that tests can stand in for it.
type app struct {
	stdin          io.Reader // nil in most tests
	stdout, stderr io.Writer
	tty            bool                // stdout is a terminal
	errTTY         bool                // stderr is a terminal: progress bars may be drawn
	getenv         func(string) string // "" where unset
	environ        func() []string     // all of it, NAME=VALUE; nil in most tests
}

func osApp() *app {
	return &app{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		tty:    term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
		getenv: os.Getenv, environ: os.Environ,
	}
}

// people is where text for people goes: stdout where somebody watches it, else stderr, so that a
// pipe carries results alone.
func (a *app) people() io.Writer {
	if a.tty {
		return a.stdout
	}
	return a.stderr
}

// say prints a line for people.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.people(), format+"\n", args...)
}

// sayWrapped is say for a long line.
func (a *app) sayWrapped(format string, args ...any) {
	a.say("%s", wrapped(fmt.Sprintf(format, args...), 0, "  "))
}

// width is how many columns the terminal at stderr has; columns where that is not known.
func (a *app) width() int {
	if f, ok := a.stderr.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return columns
}
