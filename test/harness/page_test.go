package harness

import (
	"strings"
	"testing"
)

func TestCheckShown(t *testing.T) {
	for _, c := range []struct {
		sentence, shown, printed string
		same                     bool
	}{
		{"equal lines", "a\nb", "a\nb\n", true},
		{"another line", "a\nb", "a\nc\n", false},
		{"a line too many", "a", "a\nb\n", false},
		{"a line too few", "a\nb", "a\n", false},
		{"nothing instead of a line", "a", "", false},
		{"a line that is cut", "a…c", "abbbc\n", true},
		{"a line that is cut, and ends differently", "a…c", "abbbd\n", false},
		{"a cut that would take a second line", "a…c", "ab\nbc\n", false},
		{"left out lines at the end", "a\n…", "a\nb\nc\n", true},
		{"left out lines in between", "a\n…\nd", "a\nb\nc\nd\n", true},
		{"no lines where some are left out", "a\n…\nb", "a\nb\n", true},
		{"left out lines before another line", "a\n…\nd", "a\nb\nc\n", false},
		{"other widths of columns", "NAME   READY", "NAME         READY\n", true},
		{"other indentation", "  a", " a\n", false},
		{"another age", "acme   True    3s", "acme True 1m12s\n", true},
		{"another name beside the age", "acme   True    3s", "acmo True 3s\n", false},
		{"special characters", "a.b (c)", "axb (c)\n", false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			err := Step{Output: strings.Split(c.shown, "\n")}.CheckShown(c.printed)
			if (err == nil) != c.same {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReadConsole(t *testing.T) {
	steps, err := readConsole("$ a \\\n    | b\nout\nput\n$ c\n")
	if err != nil || len(steps) != 2 || steps[0].Command != "a \\\n    | b\n" || strings.Join(steps[0].Output, " ") != "out put" || steps[1].Command != "c\n" || steps[1].Output != nil {
		t.Errorf("%q, %v", steps, err)
	}
	if _, err := readConsole("out\n$ a\n"); err == nil {
		t.Error("output without a command is read")
	}
}
