package airgap_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// block is a code block of the page that is to be run.
type block struct {
	where   string // "outside" or "inside"
	text    string
	fails   bool     // its last command is to fail
	install bool     // it is helm's installation of chartgate
	prints  []string // lines of which its output must contain each
}

// fence is a comment that says where a block is run, the block, and what it prints.
var fence = regexp.MustCompile("(?s)<!-- (outside|inside)([^\n]*) -->\n```sh\n(.*?)```\n(?:\n```text\n(.*?)```\n)?")

// readPage reads docs/air-gapped.md. Every block of it must be one that is run, so that none goes untested.
func readPage() ([]block, error) {
	path, err := cluster.Path("docs", "air-gapped.md")
	if err != nil {
		return nil, err
	}
	page, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var blocks []block
	for _, match := range fence.FindAllStringSubmatch(string(page), -1) {
		b := block{where: match[1], text: match[3], fails: strings.Contains(match[2], "fails"), install: strings.HasPrefix(match[3], "helm install ")}
		if match[4] != "" {
			b.prints = strings.Split(strings.TrimSpace(match[4]), "\n")
		}
		blocks = append(blocks, b)
	}
	if all := strings.Count(string(page), "```sh\n"); all != len(blocks) || len(blocks) == 0 {
		return nil, fmt.Errorf("the page has %d blocks of commands, of which %d say where they are run", all, len(blocks))
	}
	printed := strings.Count(string(page), "```text\n")
	for _, b := range blocks {
		if len(b.prints) > 0 {
			printed--
		}
	}
	if printed != 0 {
		return nil, errors.New("the page shows output that follows no commands")
	}
	return blocks, nil
}

func outsideOf(blocks []block) []block { return at(blocks, "outside") }
func insideOf(blocks []block) []block  { return at(blocks, "inside") }

func at(blocks []block, where string) []block {
	var some []block
	for _, b := range blocks {
		if b.where == where {
			some = append(some, b)
		}
	}
	return some
}
