package verdict

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chartgate/chartgate/pkg/problem"
)

// maxMessage bounds a whole message. Flux cuts conditions at 32 KiB, and the API server accepts
// more, but a longer message is not readable.
const maxMessage = 4 << 10

// Message renders v for users. The first line is complete by itself, since tables and conditions
// often show only that line; the others say which field it is about, what the policies require,
// what was found and what to do next.
func (v Verdict) Message() string {
	switch {
	case !v.Admits():
		return clip(v.render("denied"), maxMessage)
	case v.decision == spared:
		return clip(v.render("admitted because chartgate only warns"), maxMessage)
	case v.Warned():
		return clip(v.render("admitted in Warn mode"), maxMessage)
	case v.Deferred():
		return clip(v.render("admitted for now"), maxMessage)
	case v.Waived():
		return clip(plain(fmt.Sprintf("%s admitted unverified: %s", v.Subject, v.waivers())), maxMessage)
	default:
		return clip(plain(fmt.Sprintf("%s admitted", v.Subject)), maxMessage)
	}
}

// Messages renders several verdicts on one object, within the same limit.
func Messages(verdicts []Verdict) string {
	var texts []string
	for _, v := range verdicts {
		texts = append(texts, v.Message())
	}
	return clip(strings.Join(texts, "\n"), maxMessage)
}

// Note renders v for an Event of at most limit bytes. A denial ends with the command again, which
// makes its controller retry, unless again is "": Flux waits for minutes.
func (v Verdict) Note(limit int, again string) string {
	return note(v.Admits(), v.Message(), limit, again)
}

// Breaks renders v, a denial of what is not written now, for the person whose change
// (what, as in "this change") leads to it. It is one line, and "" for an admission.
func (v Verdict) Breaks(what string) string {
	if v.Admits() {
		return ""
	}
	texts := make([]string, 0, len(v.Denials()))
	for _, d := range v.Denials() {
		texts = append(texts, fmt.Sprintf("%s (%s); next: %s", d.Summary, d.Reason, d.Next))
	}
	return clip(plain(fmt.Sprintf("%s breaks %s: %s", what, v.Subject, strings.Join(texts, "; also: "))), maxMessage)
}

// BreaksNote renders v as Breaks does, with the lines of a message, for an Event of at
// most limit bytes.
func (v Verdict) BreaksNote(what string, limit int, again string) string {
	if v.Admits() {
		return ""
	}
	denials := v.Denials()
	headline := fmt.Sprintf("%s breaks %s (%s): %s", what, v.Subject, denials[0].Reason, denials[0].Summary)
	return note(false, v.lines(headline), limit, again)
}

func note(admits bool, message string, limit int, again string) string {
	hint := "\nOnce fixed: " + plain(again)
	room := limit - len(hint)
	if admits || again == "" || room < len("…") {
		return clip(message, limit)
	}
	return clip(message, room) + hint
}

// Warning renders v as one line: the API server drops warnings that hold control characters. It is
// "" if there is no warning.
func (v Verdict) Warning() string { return clip(plain(v.warning()), maxMessage) }

func (v Verdict) warning() string {
	switch {
	case v.Warned():
		texts := make([]string, 0, len(v.denials))
		for _, d := range v.denials {
			policy := ""
			if len(d.Policy) > 0 {
				policy = "; policy: " + strings.Join(d.Policy, ", ")
			}
			texts = append(texts, fmt.Sprintf("(%s): %s%s; next: %s", d.Reason, d.Summary, policy, d.Next))
		}
		return "chartgate would deny this " + strings.Join(texts, "; also ")
	case v.Deferred():
		return fmt.Sprintf("not verified yet: %s; the chart will be verified when it is pulled", v.denials[0].Summary)
	case v.Waived():
		return "chartgate admitted this unverified: " + v.waivers()
	default:
		return ""
	}
}

// The API server passes on maxWarnings runes of all warnings on one write, or as many runes of
// warnings that it cuts to maxWarning (truncateAtTotalRunes and truncateItemRunes of its
// endpoints/filters/warning.go, v1.36).
const (
	maxWarnings = 4 << 10
	maxWarning  = 256
)

// Warnings returns the warnings on one write, each of one line, as the API server passes them on. It
// cuts them where they are too many or too long, and says how many it left out.
func Warnings(texts []string) []string {
	total := 0
	for _, text := range texts {
		total += utf8.RuneCountInString(text)
	}
	if total <= maxWarnings {
		return texts
	}
	room := maxWarnings - maxWarning // for the last one
	var kept []string
	for i, text := range texts {
		text = clip(text, maxWarning)
		if room -= utf8.RuneCountInString(text); room < 0 {
			return append(kept, plural(len(texts)-i, "more warning")+", for which the API server has no room")
		}
		kept = append(kept, text)
	}
	return kept
}

// Denials returns why v denies or warns. If v denies, there is at least one denial.
func (v Verdict) Denials() []Denial {
	if v.Admits() || len(v.denials) > 0 {
		return v.denials
	}
	return []Denial{FromError(nil)}
}

// String names the object for users, as in "HelmRelease apps/podinfo".
func (s Subject) String() string {
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + name
	}
	if name == "" {
		return s.Kind
	}
	return s.Kind + " " + name
}

// Chart names the chart for users, with its digest if that is known.
func (s Subject) Chart() string {
	text, version := s.Reference.String(), s.Reference.Selector
	chosen := ""
	if s.Tag != "" && version.IsRange() && s.Tag != version.String() {
		text, chosen = s.Reference.Location.String()+":"+s.Tag, " (the newest of "+problem.QuoteInput(version.String())+")"
	}
	if digest := s.Digest.String(); digest != "" && !strings.HasSuffix(text, digest) {
		text += "@" + digest
	}
	return text + chosen
}

func (v Verdict) render(outcome string) string {
	first := v.Denials()[0]
	return v.lines(fmt.Sprintf("%s %s (%s): %s", v.Subject, outcome, first.Reason, first.Summary))
}

// lines renders the denials below the given headline.
func (v Verdict) lines(headline string) string {
	denials := v.Denials()
	var b strings.Builder
	b.WriteString(plain(headline))
	line(&b, "where", v.Subject.Field)
	for i, d := range denials {
		if i > 0 {
			line(&b, "also", fmt.Sprintf("(%s) %s", d.Reason, d.Summary))
		}
		for _, wanted := range d.Policy {
			line(&b, "policy", wanted)
		}
		for _, found := range d.Found {
			line(&b, "found", found)
		}
		line(&b, "next", d.Next)
	}
	return b.String()
}

func (v Verdict) waivers() string {
	var texts []string
	for _, a := range v.acceptances {
		if a.Waiver != "" {
			texts = append(texts, fmt.Sprintf("policy %s allows %s (%s)", a.Policy, v.Subject.Chart(), a.Waiver))
		}
	}
	return strings.Join(texts, "; ")
}

func line(b *strings.Builder, label, text string) {
	if text != "" {
		fmt.Fprintf(b, "\n  %-9s %s", label+":", plain(text))
	}
}

// plain keeps text on one line: policies, versions and certificates can contain line breaks,
// control characters and invalid bytes. These could forge lines of a message, or make the API
// server drop a warning.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// clip cuts s to limit bytes.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[:limit-len("…")]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
