package policy

import (
	"regexp"
	"strings"
)

// subjectForm is what the subjects of an issuer's certificates are like, as Fulcio makes them
// (fulcio's docs/oidc.md; its configuration of the public-good instance).
type subjectForm struct {
	issuer string // an expression
	// subject is an expression of all subjects, and strangers of subjects of names that the author
	// of an identity cannot have meant, "" if the expression does not tell.
	subject, strangers string
	like, example      string
}

const (
	githubIssuer = "https://token.actions.githubusercontent.com"
	gitlabIssuer = "https://gitlab.com"
	email        = `[A-Za-z0-9._%+'!#$&*=?^{|}~-]+@[A-Za-z0-9.-]+`
	anyStranger  = `[A-Za-z0-9-]*` + stranger + `[A-Za-z0-9-]*`
)

// subjectForms are those of issuers that Sigstore's public-good instance knows.
func subjectForms() []subjectForm {
	mail := func(issuer string) subjectForm {
		return subjectForm{
			issuer: regexp.QuoteMeta(issuer), subject: email, strangers: `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]*` + stranger + `[A-Za-z0-9.-]*`,
			like: "email addresses", example: "release@acme.example",
		}
	}
	return []subjectForm{
		{
			issuer:    regexp.QuoteMeta(githubIssuer) + `(?:/[A-Za-z0-9-]+)?`,
			subject:   `https://github\.com/[^/@]+/[^/@]+/[^@]+\.ya?ml@(?:refs/.+|[0-9a-f]{40})`,
			strangers: `https://github\.com/` + anyStranger + `/[^/@]+/[^@]+\.ya?ml@refs/.+`,
			like:      "workflows at a ref", example: "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
		},
		{
			issuer:    regexp.QuoteMeta(gitlabIssuer),
			subject:   `https://gitlab\.com/[^@]+//[^@]+@refs/.+`,
			strangers: `https://gitlab\.com/` + anyStranger + `/[^@]+//[^@]+@refs/.+`,
			like:      "pipeline files at a ref", example: "https://gitlab.com/acme/charts//.gitlab-ci.yml@refs/heads/main",
		},
		mail("https://accounts.google.com"),
		mail("https://github.com/login/oauth"),
		mail("https://login.microsoftonline.com"),
	}
}

// certificateSubject is an expression of what certificates have as subject where the issuer is not
// known: a URI, an email address, Fulcio's username, or a host.
const certificateSubject = `[A-Za-z][A-Za-z0-9+.-]*:.+|` + email + `|[^/@]+![^/@]+|[A-Za-z0-9.*-]+`

// notIssuers are URLs of Sigstore and others that no certificate names as its issuer, and what to
// write.
func notIssuers() map[string]string {
	mail := "https://accounts.google.com, https://github.com/login/oauth or https://login.microsoftonline.com, by which the signer logged in"
	return map[string]string{
		"oauth2.sigstore.dev/auth": mail, "oauth2.sigstore.dev": mail, "fulcio.sigstore.dev": mail, "rekor.sigstore.dev": mail,
		"github.com":                           githubIssuer + " for workflows, https://github.com/login/oauth for people",
		"actions.githubusercontent.com":        githubIssuer,
		"token.actions.github.com":             githubIssuer,
		"token.githubusercontent.com":          githubIssuer,
		"tokens.actions.githubusercontent.com": githubIssuer,
		"google.com":                           "https://accounts.google.com",
		"gitlab.com/oauth":                     gitlabIssuer,
		"gitlab.com/users/sign_in":             gitlabIssuer,
	}
}

// exactIssuers are the issuers that a text is compared with.
func exactIssuers() []string {
	return []string{githubIssuer, gitlabIssuer, "https://accounts.google.com", "https://github.com/login/oauth", "https://login.microsoftonline.com", "https://agent.buildkite.com"}
}

// slashed reports whether an issuer is of a service whose issuers do end in a slash.
func slashed(issuer string) bool {
	host, _, _ := strings.Cut(strings.TrimPrefix(issuer, "https://"), "/")
	return strings.HasSuffix(host, ".auth0.com") || host == "sts.windows.net"
}

// bareIssuer is an issuer without scheme, case, trailing slashes and the document that describes it.
func bareIssuer(issuer string) string {
	bare := strings.ToLower(strings.TrimSpace(issuer))
	if _, rest, ok := strings.Cut(bare, "://"); ok {
		bare = rest
	}
	bare = strings.TrimSuffix(strings.TrimRight(bare, "/"), "/.well-known/openid-configuration")
	return strings.TrimRight(bare, "/")
}

// claimForm is what the values of a claim are like.
type claimForm struct{ form, example string }

// claimForms are the forms of claims that are easily mistaken (fulcio's docs/oid-info.md).
func claimForms() map[string]claimForm {
	url := claimForm{`https?://[^/]+/.+[^/]`, "https://github.com/acme/charts"}
	ref := claimForm{`refs/.+`, "refs/heads/main"}
	commit := claimForm{`[0-9a-f]{40}|[0-9a-f]{64}`, "a commit of 40 hexadecimal digits"}
	number := claimForm{`[0-9]+`, "a number, as in 1342004"}
	return map[string]claimForm{
		"sourceRepositoryURI": url, "sourceRepositoryOwnerURI": {url.form, "https://github.com/acme"},
		"buildConfigURI":      {url.form, "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"},
		"buildSignerURI":      {url.form, "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"},
		"runInvocationURI":    {url.form, "https://github.com/acme/charts/actions/runs/1/attempts/1"},
		"sourceRepositoryRef": ref, "githubWorkflowRef": ref,
		"sourceRepositoryDigest": commit, "buildSignerDigest": commit, "buildConfigDigest": commit, "githubWorkflowSHA": commit,
		"sourceRepositoryIdentifier": number, "sourceRepositoryOwnerIdentifier": number,
		"githubWorkflowRepository":            {`[^/:]+/[^/:]+`, "acme/charts"},
		"sourceRepositoryVisibilityAtSigning": {`public|private|internal`, "public, private or internal"},
		"githubWorkflowTrigger":               {`[a-z_]+`, "push"},
		"buildTrigger":                        {`[a-z_]+`, "push"},
	}
}

// owning are the claims that tell an author's repositories from those of others.
func owning() []string {
	return []string{
		"sourceRepositoryURI", "sourceRepositoryOwnerURI", "sourceRepositoryIdentifier", "sourceRepositoryOwnerIdentifier",
		"githubWorkflowRepository", "buildConfigURI", "buildSignerURI", "runInvocationURI",
	}
}
