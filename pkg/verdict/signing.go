package verdict

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// Signatory is an identity whose signature or attestation a policy asks for, as far as the
// message of a denial must know it to say who has to run which command.
type Signatory struct {
	// Name is the identity's.
	Name string
	// Subject is what a keyless identity has in its certificate, exactly or, with Pattern,
	// as an expression. "" is an identity with a key.
	Subject string
	Pattern bool
	// KMS is the URI of the key, "" if it is in no KMS.
	KMS string
	// Bare is set where a signature by the key needs neither a log entry nor a time.
	Bare bool
	// TrustRoot is the TrustRoot that proves what the identity signs.
	TrustRoot string
}

// who names the identity as the one who has to act.
func (s Signatory) who() string {
	switch {
	case s.Subject == "":
		return "the holder of " + s.Name
	case s.Pattern:
		return "a signer whose subject matches " + s.Subject
	case strings.Contains(s.Subject, "://"):
		return "the workflow " + s.Subject
	default:
		return s.Subject
	}
}

// flags are what cosign 3 must be told (and cosign 2 understands) so that the signature is
// what the identity's policy asks for. Without them cosign signs keyless, with the services
// of Sigstore's public-good instance.
func (s Signatory) flags() []string {
	flags := []string{"--yes"}
	switch {
	case s.KMS != "":
		flags = append(flags, "--key", shellQuote(s.KMS))
	case s.Subject == "":
		flags = append(flags, "--key", "cosign.key")
	}
	switch {
	case s.Bare:
		// cosign 3 refuses --tlog-upload=false beside a signing config, which it fetches by default.
		flags = append(flags, "--use-signing-config=false", "--tlog-upload=false")
	case s.TrustRoot != evidence.DefaultTrustRoot:
		flags = append(flags, "--signing-config", "signing_config.json", "--trusted-root", "trusted_root.json")
	}
	return flags
}

// ask says who must do what, so that u is met; "" if it is not known who may. The image is
// the chart as cosign names it.
func (u Unmet) ask(image string) string {
	if len(u.By) == 0 {
		return ""
	}
	by := u.By[0]
	verb, command := "sign", []string{"cosign", "sign"}
	if u.Predicate != "" {
		verb, command = "attest", []string{"cosign", "attest"}
	}
	if u.Place != (chart.Location{}) {
		command = append([]string{"COSIGN_REPOSITORY=" + u.Place.Host() + "/" + u.Place.Path()}, command...)
	}
	command = append(command, by.flags()...)
	if u.Predicate != "" {
		command = append(command, "--type", shellQuote(u.Predicate), "--predicate", "FILE")
	}
	with := ""
	if by.TrustRoot != evidence.DefaultTrustRoot && !by.Bare {
		with = " with the Sigstore of TrustRoot " + by.TrustRoot
	}
	return fmt.Sprintf("%s must %s it%s: %s %s", by.who(), verb, with, strings.Join(command, " "), image)
}

// shellSafe is text that a shell takes as it is.
var shellSafe = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// shellQuote makes one word of text for a shell that somebody pastes a command into.
func shellQuote(text string) string {
	if shellSafe.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
