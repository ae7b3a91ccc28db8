package verdict

import (
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
)

// Signatory is an identity whose signature or attestation a policy requires, with the details that
// a message needs to say who has to run which command.
type Signatory struct {
	// Name is the name of the identity.
	Name string
	// Subject is the subject of a keyless identity's certificate, exact or, with Pattern, as an
	// expression. It is "" for an identity with a key.
	Subject string
	Pattern bool
	// KMS is the URI of the key, "" if it is not in a KMS.
	KMS string
	// Bare is set if a signature by the key needs neither a log entry nor a proven time.
	Bare bool
	// TrustRoot is the TrustRoot that proves what the identity signs.
	TrustRoot string
}

// who names the identity that has to act.
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

// flags are the flags of cosign 3 (which cosign 2 also supports) for a signature that satisfies the
// identity. Without them cosign signs keyless, with Sigstore's public-good instance.
func (s Signatory) flags() []string {
	flags := []string{"--yes"}
	switch {
	case s.KMS != "":
		flags = append(flags, "--key", problem.Quote(s.KMS))
	case s.Subject == "":
		flags = append(flags, "--key", "cosign.key")
	}
	switch {
	case s.Bare:
		// cosign 3 refuses --tlog-upload=false beside a signing config, which it fetches by
		// default.
		flags = append(flags, "--use-signing-config=false", "--tlog-upload=false")
	case s.TrustRoot != evidence.DefaultTrustRoot:
		flags = append(flags, "--signing-config", "signing_config.json", "--trusted-root", "trusted_root.json")
	}
	return flags
}

// ask says which identity must run which command to satisfy u; "" if no identity is known. The
// image is the chart as cosign names it.
func (u Unmet) ask(image string) string {
	if len(u.By) == 0 {
		return ""
	}
	by := u.By[0]
	verb, command := "sign", []string{"cosign", "sign"}
	if u.Predicate != "" {
		verb, command = "attest", []string{"cosign", "attest"}
	}
	if u.Repository != (chart.Location{}) {
		command = append([]string{"COSIGN_REPOSITORY=" + u.Repository.Host() + "/" + u.Repository.Path()}, command...)
	}
	command = append(command, by.flags()...)
	if u.Predicate != "" {
		command = append(command, "--type", problem.Quote(u.Predicate), "--predicate", "FILE")
	}
	with := ""
	if by.TrustRoot != evidence.DefaultTrustRoot && !by.Bare {
		with = " with the Sigstore of TrustRoot " + by.TrustRoot
	}
	return fmt.Sprintf("%s must %s it%s: %s %s", by.who(), verb, with, strings.Join(command, " "), image)
}
