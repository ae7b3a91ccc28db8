package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// process is a running process as Linux sees it.
type process struct{ pid int }

// memory returns a line of /proc/PID/status, such as VmRSS, in bytes.
func (p process) memory(line string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, err
	}
	for found := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(found, line+":"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("process %d shows no %s", p.pid, line)
}

// loadAverage is that of the last minute: before the start, it comes from other programs.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	average, _, _ := strings.Cut(string(text), " ")
	return average
}

// tick is the unit of times in /proc, the same on every Linux.
const tick = 10 * time.Millisecond

// cpu returns the time that the process has had of all CPUs together.
func (p process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, err
	}
	// The name, in brackets, may contain blanks. utime and stime are the 12th and 13th field after
	// it.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d shows no CPU time", p.pid)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}
