package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// Step is a command on a page of the documentation, and what the page shows of its output.
type Step struct {
	Command string
	// Output are lines; none if the page shows none.
	Output []string
}

// Block is a fenced block of a page.
type Block struct {
	// Language is what follows the fence: sh, console, text, yaml.
	Language string
	// Mark is the comment right before the block, which readers do not see.
	Mark string
	Text string
	// Steps are the commands of a block in console, and the whole of a block in sh as one command.
	// The output of the latter is the block in text that follows.
	Steps []Step
}

// fence matches a block with the comment before it.
var fence = regexp.MustCompile("(?sm)(?:^<!-- ([^\n]*) -->\n)?^```([a-z]+)\n(.*?)^```\n")

// ReadPage returns the blocks of a page, in order. Output that follows no commands is an error.
func ReadPage(elements ...string) ([]Block, error) {
	path, err := cluster.Path(elements...)
	if err != nil {
		return nil, err
	}
	page, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var blocks []Block
	for _, found := range fence.FindAllStringSubmatch(string(page), -1) {
		block := Block{Mark: found[1], Language: found[2], Text: found[3]}
		switch block.Language {
		case "sh":
			block.Steps = []Step{{Command: block.Text}}
		case "console":
			if block.Steps, err = readConsole(block.Text); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		case "text":
			if last := len(blocks) - 1; block.Mark == "" {
				if last < 0 || blocks[last].Language != "sh" || blocks[last].Steps[0].Output != nil {
					return nil, fmt.Errorf("%s shows output that follows no commands:\n%s", path, block.Text)
				}
				blocks[last].Steps[0].Output = lines(block.Text)
			}
		}
		blocks = append(blocks, block)
	}
	if all := strings.Count("\n"+string(page), "\n```"); all != 2*len(blocks) || all == 0 {
		return nil, fmt.Errorf("%s has %d fences, and %d blocks are read", path, all, len(blocks))
	}
	return blocks, nil
}

// readConsole takes a block apart at its prompts, "$ " at the start of a line. A command goes on in
// the next line after a backslash.
func readConsole(text string) ([]Step, error) {
	var steps []Step
	goesOn := false
	for _, line := range lines(text) {
		command, prompt := strings.CutPrefix(line, "$ ")
		switch last := len(steps) - 1; {
		case prompt:
			steps = append(steps, Step{Command: command + "\n"})
		case last < 0:
			return nil, fmt.Errorf("a console block starts without a prompt:\n%s", text)
		case goesOn:
			steps[last].Command += line + "\n"
		default:
			steps[last].Output = append(steps[last].Output, line)
		}
		goesOn = strings.HasSuffix(line, `\`) && (prompt || goesOn)
	}
	return steps, nil
}

func lines(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }

// CheckShown compares what a page shows of an output with the output. Lines that follow each other on
// the page follow each other in the output; "…" stands for anything within a line, and alone for any
// lines. Ages, and the widths of columns, do not count.
func (s Step) CheckShown(printed string) error {
	if s.Output == nil {
		return nil
	}
	var expression strings.Builder
	expression.WriteString(`(?s)\A`)
	for _, line := range s.Output {
		if line == "…" {
			expression.WriteString(`(?:.*\n)?`)
			continue
		}
		parts := strings.Split(plainLine(line), "…")
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		expression.WriteString(strings.Join(parts, `[^\n]*`) + `\n`)
	}
	got := lines(printed)
	for i, line := range got {
		got[i] = plainLine(line)
	}
	text := strings.Join(got, "\n") + "\n"
	if !regexp.MustCompile(expression.String() + `\z`).MatchString(text) {
		return fmt.Errorf("the page shows\n%s\nand it prints\n%s", strings.Join(s.Output, "\n"), printed)
	}
	return nil
}

var (
	columns = regexp.MustCompile(`(\S)[ \t]+`)
	age     = regexp.MustCompile(`\b([0-9]+[smh]){1,2}\b`)
)

// plainLine is a line without the widths of its columns, and with the same age wherever it has one.
func plainLine(line string) string {
	return strings.TrimRight(age.ReplaceAllString(columns.ReplaceAllString(line, "$1 "), "1s"), " ")
}

// CheckLines checks that the output has each of the shown lines somewhere.
func (s Step) CheckLines(printed string) error {
	missing := slices.IndexFunc(s.Output, func(line string) bool { return !strings.Contains(printed, line) })
	if missing >= 0 {
		return fmt.Errorf("it does not print %q, but\n%s", s.Output[missing], printed)
	}
	return nil
}

// Installation are the three commands of README.md that install chartgate.
type Installation struct{ Install, Policies, Enforce string }

var installation = regexp.MustCompile("(?s)```sh\n(helm install [^`]*)(kubectl apply -f policies.yaml[^\n]*\n)(helm upgrade [^`]*)```")

// ReadInstallation reads them.
func ReadInstallation() (Installation, error) {
	path, err := cluster.Path("README.md")
	if err != nil {
		return Installation{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Installation{}, err
	}
	found := installation.FindStringSubmatch(string(text))
	if found == nil {
		return Installation{}, fmt.Errorf("%s has no three commands that install chartgate", path)
	}
	return Installation{found[1], found[2], found[3]}, nil
}

// Shell is one bash in which commands are run one after another, as a user at a terminal would.
type Shell struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	n   int
}

// OpenShell starts a shell in a folder, with the programs at path before those of bin/.
func OpenShell(ctx context.Context, dir, path string, env []string) (*Shell, error) {
	tools, err := cluster.Path("bin")
	if err != nil {
		return nil, err
	}
	s := &Shell{cmd: exec.CommandContext(ctx, "bash", "--noprofile", "--norc")}
	s.cmd.Dir = dir
	s.cmd.Env = append(append(os.Environ(), "PATH="+path+":"+tools+":"+os.Getenv("PATH"), "COSIGN_YES=true"), env...)
	// A process group, so that background processes end with it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	s.out = bufio.NewScanner(out)
	s.out.Buffer(nil, maxLine)
	return s, s.cmd.Start()
}

// maxLine bounds a line of output.
const maxLine = 16 << 20

// Run runs commands and returns what they print, both outputs together. It is an error if they fail,
// or if they are to fail and do not. Unless they are to fail, the shell ends at the first command
// that fails.
func (s *Shell) Run(commands string, fails bool) (string, error) {
	s.n++
	end := fmt.Sprintf("=== end of block %d: ", s.n)
	mode := "set -e"
	if fails {
		mode = "set +e"
	}
	if _, err := fmt.Fprintf(s.in, "%s\n%s\necho \"%s$?\"\n", mode, commands, end); err != nil {
		return "", err
	}
	var printed strings.Builder
	for s.out.Scan() {
		before, status, is := strings.Cut(s.out.Text(), end)
		if !is {
			printed.WriteString(s.out.Text() + "\n")
			continue
		}
		if before != "" { // output without a line break at its end
			printed.WriteString(before + "\n")
		}
		if fails == (status == "0") {
			return printed.String(), fmt.Errorf("it ended with %s", status)
		}
		return printed.String(), nil
	}
	return printed.String(), errors.Join(errors.New("the shell ended"), s.out.Err())
}

// Close ends the shell, and what it has started.
func (s *Shell) Close() {
	_ = s.in.Close()
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	_ = s.cmd.Wait()
}
