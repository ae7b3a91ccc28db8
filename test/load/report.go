package main

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// report prints measurements beside their targets.
type report struct {
	out     io.Writer
	process process
}

func newReport(out io.Writer, pid int) *report {
	r := &report{out: out, process: process{pid}}
	r.print("The webhook is process %d. It shares %d CPUs with the load, the registry and what else runs (load average %s). %s\n",
		pid, runtime.NumCPU(), loadAverage(), runtime.Version())
	return r
}

// print ignores errors of standard output.
func (r *report) print(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) }

func (r *report) title(format string, args ...any) { r.print("\n"+format+"\n", args...) }

// line is a measurement; target can be "".
func (r *report) line(what, measured, target string) {
	if target != "" {
		target = "(target: " + target + ")"
	}
	r.print("  %-34s %14s  %s\n", what, measured, target)
}

// memory prints the process's memory: now, or at its highest so far.
func (r *report) memory(what, line, target string) error {
	bytes, err := r.process.memory(line)
	if err != nil {
		return err
	}
	r.line(what, mebibytes(uint64(bytes)), target)
	return nil
}

func mebibytes(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
