package main

import (
	"io"
	"strings"
	"unicode"

	"github.com/jstemmer/go-junit-report/v2/junit"
)

// junit writes a test suite for each file, with a test case for each chart. JUnit has no warnings:
// an admission with one is a success, and its output has the text. Charts have no times: several share
// one answer of a registry.
func (r report) junit(w io.Writer) error {
	var files []string
	suites := map[string]*junit.Testsuite{}
	for _, result := range r.results {
		file := result.at.file
		switch file {
		case "":
			file = "references"
		case "-":
			file = "stdin"
		}
		suite, ok := suites[file]
		if !ok {
			suite = &junit.Testsuite{Name: file, Time: "0"}
			suites[file], files = suite, append(files, file)
		}
		suite.AddTestcase(result.testcase(file))
	}
	all := junit.Testsuites{Name: "chartgate verify"}
	for _, file := range files {
		suites[file].ID = len(all.Suites)
		all.AddSuite(*suites[file])
	}
	return all.WriteXML(w)
}

func (r result) testcase(file string) junit.Testcase {
	_, name := r.names()
	found := junit.Testcase{Classname: file, Name: name}
	if r.admitted {
		found.SystemOut = &junit.Output{Data: inXML(r.Message)}
		return found
	}
	first, _, _ := strings.Cut(r.Message, "\n")
	found.Failure = &junit.Result{Message: inXML(first), Type: string(r.Reason), Data: inXML(r.Message)}
	return found
}

// inXML replaces what XML cannot hold; the library does not.
func inXML(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
