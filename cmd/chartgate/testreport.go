package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"
)

// testReport is how the cases ended, in the order of the files.
type testReport []testOutcome

// print writes the report, and returns errDenied if a case failed. Cases that were all skipped have
// tested nothing, which is an error.
func (r testReport) print(w io.Writer, format string) error {
	write := r.text
	if format == "junit" {
		write = r.junit
	}
	if err := write(w); err != nil {
		return err
	}
	switch _, failed, skipped := r.counts(); {
	case failed > 0:
		return errDenied
	case skipped == len(r):
		return errors.New("every case was skipped: they need a registry, which --offline does not ask; expect asks or policy of them, or run without --offline")
	default:
		return nil
	}
}

func (r testReport) counts() (passed, failed, skipped int) {
	for _, o := range r {
		switch {
		case len(o.wrong) > 0:
			failed++
		case o.skipped:
			skipped++
		default:
			passed++
		}
	}
	return passed, failed, skipped
}

func (r testReport) text(w io.Writer) error {
	var text strings.Builder
	file := ""
	for _, o := range r {
		if o.file != file {
			file = o.file
			fmt.Fprintln(&text, file)
		}
		o.write(&text)
	}
	passed, failed, skipped := r.counts()
	fmt.Fprintf(&text, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	_, err := io.WriteString(w, text.String())
	return err
}

func (o testOutcome) write(text *strings.Builder) {
	switch {
	case len(o.wrong) > 0:
		fmt.Fprintf(text, "  FAILED   %s (line %d)\n", o.name, o.position.line)
		fmt.Fprintf(text, "           %s\n", strings.Join(o.wrong, "\n           "))
		for _, message := range o.messages {
			fmt.Fprintf(text, "           | %s\n", strings.ReplaceAll(message, "\n", "\n           | "))
		}
	case o.skipped:
		fmt.Fprintf(text, "  skipped  %s: it needs a registry\n", o.name)
	default:
		fmt.Fprintf(text, "  passed   %s\n", o.name)
	}
}

func (r testReport) junit(w io.Writer) error {
	all := junit.Testsuites{Name: "chartgate test"}
	for start := 0; start < len(r); {
		suite := junit.Testsuite{Name: r[start].file, ID: len(all.Suites), Time: "0"}
		for ; start < len(r) && r[start].file == suite.Name; start++ {
			suite.AddTestcase(r[start].testcase())
		}
		all.AddSuite(suite)
	}
	return all.WriteXML(w)
}

func (o testOutcome) testcase() junit.Testcase {
	found := junit.Testcase{Name: o.name, Classname: o.file}
	switch {
	case len(o.wrong) > 0:
		text := strings.Join(append(append([]string{fmt.Sprintf("%s:%d", o.file, o.position.line)}, o.wrong...), o.messages...), "\n")
		found.Failure = &junit.Result{Message: inXML(o.wrong[0]), Data: inXML(text)}
	case o.skipped:
		found.Skipped = &junit.Result{Message: "it needs a registry"}
	}
	return found
}
