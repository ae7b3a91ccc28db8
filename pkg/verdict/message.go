package verdict

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage bounds a whole message. Flux cuts conditions at 32 KiB and the API
// server takes more, but nobody reads more at night.
const maxMessage = 4 << 10

// Message renders v for people. The first line is complete by itself, since
// tables and conditions often show no more; the others say where, what was
// wanted, what was found and what to do next.
func (v Verdict) Message() string {
	switch {
	case !v.Admits():
		return clip(v.render("denied"), maxMessage)
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

// Headline renders the first line of a denial alone.
func (v Verdict) Headline() string {
	headline, _, _ := strings.Cut(v.Message(), "\n")
	return headline
}

// Note renders v for an Event of at most limit bytes. With retry, it ends with the
// hint that Flux users need: a denied controller tries again only after minutes.
func (v Verdict) Note(limit int, retry bool) string {
	if v.Admits() || !retry {
		return clip(v.Message(), limit)
	}
	const hint = "\nOnce mended: kubectl annotate --overwrite the object reconcile.fluxcd.io/requestedAt=\"$(date +%s)\""
	return clip(v.Message(), limit-len(hint)) + hint
}

// Warning renders v as one line: the API server drops warnings that hold control
// characters. It is "" where there is nothing to warn of.
func (v Verdict) Warning() string { return clip(plain(v.warning()), maxMessage) }

func (v Verdict) warning() string {
	switch {
	case v.Warned():
		text := fmt.Sprintf("chartgate would deny this (%s): %s", v.denials[0].Reason, v.denials[0].Summary)
		if next := v.denials[0].Next; next != "" {
			text += "; next: " + next
		}
		return text
	case v.Deferred():
		return fmt.Sprintf("not verified yet: %s; the chart will be verified when it is pulled", v.denials[0].Summary)
	case v.Waived():
		return "chartgate admitted this unverified: " + v.waivers()
	default:
		return ""
	}
}

// Denials returns why v denies or warns; at least one denial if it denies.
func (v Verdict) Denials() []Denial {
	if v.Admits() || len(v.denials) > 0 {
		return v.denials
	}
	return []Denial{FromError(nil)}
}

// String names the object for people, as in "HelmRelease apps/podinfo".
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

// Chart names the chart for people, with its digest where that is known.
func (s Subject) Chart() string {
	text := s.Reference.String()
	if digest := s.Digest.String(); digest != "" && !strings.HasSuffix(text, digest) {
		text += "@" + digest
	}
	return text
}

func (v Verdict) render(outcome string) string {
	denials := v.Denials()
	var b strings.Builder
	b.WriteString(plain(fmt.Sprintf("%s %s (%s): %s", v.Subject, outcome, denials[0].Reason, denials[0].Summary)))
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

// plain keeps text on its line: policies, versions and certificates can hold line
// breaks, control characters and invalid bytes, which would forge lines of a
// message or make the API server drop a warning.
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
