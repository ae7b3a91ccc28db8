package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress tells a person who waits how far a command has come, on a terminal and nowhere else. It
// is for one goroutine.
type progress struct {
	to    io.Writer // nil: nobody watches
	shown time.Time
}

// progressEvery keeps a fast command from writing more than a terminal shows.
const progressEvery = 100 * time.Millisecond

func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &progress{}
	}
	return &progress{to: w}
}

func (p *progress) show(format string, args ...any) {
	if p.to == nil || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.to, "\r\033[K"+format, args...)
}

// done takes the line away.
func (p *progress) done() {
	if p.to != nil {
		fmt.Fprint(p.to, "\r\033[K")
	}
}
