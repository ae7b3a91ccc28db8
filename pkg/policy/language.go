package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"github.com/chartgate/chartgate/pkg/chart"
)

// language is the set of texts that an expression matches as a whole. It answers whether two
// expressions have a text in common, which no list of examples can answer.
type language struct{ prog *syntax.Prog }

// languageOf compiles an expression. The second value is false if it has a mistake.
func languageOf(expression string) (language, bool) {
	parsed, err := syntax.Parse(`\A(?:`+expression+`)\z`, syntax.Perl)
	if err != nil {
		return language{}, false
	}
	prog, err := syntax.Compile(parsed.Simplify())
	return language{prog}, err == nil
}

// literally is the language of one text.
func literally(text string) language {
	l, _ := languageOf(regexp.QuoteMeta(text))
	return l
}

// answer is what a comparison of languages finds. Rules act on certainty only: an expression that
// takes too long to compare is never called a mistake.
type answer int

const (
	unknown answer = iota
	yes
	no
)

// maxComparison bounds the work of one comparison, in instructions of expressions that are
// visited: a few milliseconds.
const maxComparison = 300_000

// meets reports whether a text exists that both languages contain.
func (l language) meets(other language) answer {
	return search([2]language{l, other}, func(in [2]bool) bool { return in[0] && in[1] })
}

// within reports whether the other language contains every text of this one.
func (l language) within(other language) answer {
	switch search([2]language{l, other}, func(in [2]bool) bool { return in[0] && !in[1] }) {
	case yes:
		return no
	case no:
		return yes
	default:
		return unknown
	}
}

// search walks through all texts at once, as two automata see them, until it finds one that is
// wanted, by which of the languages contain it.
func search(languages [2]language, wanted func([2]bool) bool) answer {
	letters := alphabet(languages)
	start := walk{last: -1, at: [2][]uint32{{uint32(languages[0].prog.Start)}, {uint32(languages[1].prog.Start)}}}
	queue, seen, work := []walk{start}, map[string]bool{start.key(): true}, 0
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		var in [2]bool
		for i, l := range languages {
			_, in[i] = l.step(w.at[i], w.last, -1, &work)
		}
		if wanted(in) {
			return yes
		}
		for _, letter := range letters {
			next := walk{last: letter}
			for i, l := range languages {
				next.at[i], _ = l.step(w.at[i], w.last, letter, &work)
			}
			if work > maxComparison {
				return unknown
			}
			if len(next.at[0]) == 0 || seen[next.key()] {
				continue
			}
			seen[next.key()] = true
			queue = append(queue, next)
		}
	}
	return no
}

// walk is where the two automata are after some letters.
type walk struct {
	last rune // -1 at the start
	at   [2][]uint32
}

// key is equal for walks that go on in the same way.
func (w walk) key() string {
	return fmt.Sprint(syntax.EmptyOpContext(w.last, -1), w.at)
}

// step returns where an automaton is after a letter, and for -1, the end, whether it accepts.
func (l language) step(from []uint32, last, letter rune, work *int) (to []uint32, accepts bool) {
	flags := syntax.EmptyOpContext(last, letter)
	visited := map[uint32]bool{}
	todo := slices.Clone(from)
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if visited[pc] {
			continue
		}
		visited[pc] = true
		*work++
		switch inst := &l.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^flags == 0 {
				todo = append(todo, inst.Out)
			}
		case syntax.InstMatch:
			accepts = accepts || letter == -1
		case syntax.InstFail:
		default:
			if letter != -1 && inst.MatchRune(letter) && !slices.Contains(to, inst.Out) {
				to = append(to, inst.Out)
			}
		}
	}
	slices.Sort(to)
	return to, accepts
}

// alphabet returns one letter of each kind that the languages tell apart: printable ones only, as
// no name of a chart or signer holds others.
func alphabet(languages [2]language) []rune {
	bounds := []rune{' ', '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1, unicode.MaxASCII}
	for _, l := range languages {
		for _, inst := range l.prog.Inst {
			for i := 0; i < len(inst.Rune); i += 2 {
				low, high := inst.Rune[i], inst.Rune[min(i+1, len(inst.Rune)-1)]
				bounds = append(bounds, low, high+1)
				for folded := unicode.SimpleFold(low); folded != low; folded = unicode.SimpleFold(folded) {
					bounds = append(bounds, folded, folded+1)
				}
			}
		}
	}
	slices.Sort(bounds)
	return slices.DeleteFunc(slices.Compact(bounds), func(r rune) bool { return r < ' ' || !unicode.IsPrint(r) && r < unicode.MaxASCII })
}

// languageOfPattern is the set of locations that a pattern matches. "*" does not stand for "%":
// whether it matches an encoded character is left to the pattern itself.
func languageOfPattern(p pattern) language {
	const deep = `[^/]+(?:/[^/]+)*`
	var segments []string
	for i, segment := range p.segments {
		switch segment {
		case anyDepth:
			if p.hasFolders() && i == len(p.segments)-1 && !slices.Contains(p.segments, separator) {
				// repositories, with or without folders, or the folders of the repository before it
				segments = append(segments, `(?:`+deep+`(?://`+deep+`)?|/`+deep+`)`)
				continue
			}
			segments = append(segments, deep)
		case "*": // a location has no empty segment
			segments = append(segments, `[^/%]+`)
		default:
			segments = append(segments, strings.ReplaceAll(regexp.QuoteMeta(segment), `\*`, `[^/%]*`))
		}
	}
	expression := regexp.QuoteMeta(p.scheme+"://") + strings.Join(segments, "/")
	if p.query {
		expression += regexp.QuoteMeta(anyQuery)
	}
	l, _ := languageOf(expression)
	return l
}

// coversAll reports whether the pattern surely matches every chart that the other one matches.
func (p pattern) coversAll(other pattern) bool {
	return p.query == other.query && strings.HasPrefix(other.literal(), p.literal()) &&
		languageOfPattern(other).within(languageOfPattern(p)) == yes
}

// meets reports whether a chart can exist that both patterns match.
func (p pattern) meets(other pattern) bool {
	if p.hasFolders() && other.hasFolders() { // which some servers read in any case (mayMatch)
		p.segments, other.segments = lowerCase(p.segments), lowerCase(other.segments)
	}
	a, b := p.literal(), other.literal()
	return (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) && languageOfPattern(p).meets(languageOfPattern(other)) != no
}

// hasFolders reports whether the pattern is of a Git repository or bucket.
func (p pattern) hasFolders() bool {
	return p.scheme == chart.SchemeGit || p.scheme == chart.SchemeBucket
}

// literal is what every location that the pattern matches begins with. To compare it first spares
// most comparisons of patterns.
func (p pattern) literal() string {
	text, _, _ := strings.Cut(strings.TrimSuffix(p.String(), anyQuery), "*")
	return text
}
