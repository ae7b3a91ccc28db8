package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is where an object is: a file, a document in it, and the items of lists on the way. The zero
// place is not in a file.
type place struct {
	file   string // "-" is standard input
	number int    // of the document, from 1; 0 is the file as a whole
	part
	items []int
	// failed is the line of the text at which it cannot be read, from 1; 0 if it can.
	failed int
}

// String names the place for people.
func (p place) String() string {
	text := p.file
	if p.number > 0 {
		text += fmt.Sprintf(": document %d", p.number)
	}
	for _, i := range p.items {
		text += fmt.Sprintf(": items[%d]", i)
	}
	return text
}

// item is the place of an item of a list that is at p.
func (p place) item(i int) place {
	p.items = append(p.items[:len(p.items):len(p.items)], i)
	return p
}

// position is a line and a column of a file, from 1.
type position struct{ line, column int }

// find returns the position of a field, as "spec.sources[0]", or of as much of its path as there is.
// In a document that cannot be parsed it is where the parser failed.
func (p place) find(field string) position {
	var document yaml.Node
	switch {
	case p.line == 0:
		return position{1, 1}
	case p.failed > 0:
		return position{p.line + min(p.failed, bytes.Count(p.text, []byte("\n"))+1) - 1, 1}
	case yaml.Unmarshal(p.text, &document) != nil, len(document.Content) == 0:
		return position{p.line, 1}
	}
	at := walk(follow(document.Content[0]), p.steps(field))
	return position{p.line + at.Line - 1, at.Column}
}

var yamlLine = regexp.MustCompile(`\bline (\d+)`)

// failedLine returns the line that an error of the YAML parser names, 0 without any.
func failedLine(err error) int {
	found := yamlLine.FindStringSubmatch(err.Error())
	if found == nil {
		return 0
	}
	line, _ := strconv.Atoi(found[1])
	return line
}

var fieldStep = regexp.MustCompile(`[^.\[\]]+|\[\d+\]`)

// steps are the keys and indices that lead to a field of the object.
func (p place) steps(field string) (steps []string) {
	for _, i := range p.items {
		steps = append(steps, "items", fmt.Sprintf("[%d]", i))
	}
	return append(steps, fieldStep.FindAllString(field, -1)...)
}

// walk returns the node to which steps lead, or the last one on the way. For a field that is the
// node of its key.
func walk(node *yaml.Node, steps []string) *yaml.Node {
	at := node
	for _, step := range steps {
		key, value := child(node, step)
		if value == nil {
			return at
		}
		at, node = key, follow(value)
	}
	return at
}

// child returns the value of a step, and the node that stands for it in the text; nil without one.
// A document may be the items of a list alone.
func child(node *yaml.Node, step string) (key, value *yaml.Node) {
	if step == "items" && node.Kind == yaml.SequenceNode {
		return node, node
	}
	if index, is := strings.CutPrefix(step, "["); is {
		i, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if node.Kind != yaml.SequenceNode || i >= len(node.Content) {
			return nil, nil
		}
		return node.Content[i], node.Content[i]
	}
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == step {
			return node.Content[i], node.Content[i+1]
		}
	}
	return nil, nil
}

// follow returns what an alias stands for.
func follow(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}
