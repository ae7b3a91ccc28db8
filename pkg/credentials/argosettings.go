package credentials

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Argo CD finds its Secrets by a label.
const (
	argoLabel      = "argocd.argoproj.io/secret-type"
	argoRepo       = "repository"
	argoTemplate   = "repo-creds"
	defaultProject = "default" // of an Application that names none
)

// argoSettings is what Argo CD's Secrets say about one repository.
type argoSettings struct {
	from, project                string // of the repository Secret; "" without one
	username, password           string
	clientCertificate, clientKey []byte
	proxy, noProxy, proxyFrom    string
	// projectProxy is set where a Secret of a project chose the proxy.
	projectProxy    bool
	insecure, azure bool
	// insecureFrom names the Secret that says insecure.
	insecureFrom string
	// foreign names a credential template that Argo CD would use, but that belongs to
	// another host.
	foreign string
}

// argoRepository chooses among Argo CD's Secrets as it does.
func argoRepository(secrets []corev1.Secret, access sourceauth.Auth, host string) (argoSettings, error) {
	var found argoSettings
	secret, err := repositorySecret(secrets, access)
	if err != nil {
		return found, err
	}
	if secret != nil {
		if string(secret.Data["url"]) != access.URL {
			return found, otherURL(secret)
		}
		if err := found.read(secret); err != nil {
			return found, err
		}
		if hasArgoCredentials(secret) {
			return found, nil
		}
	}
	template, err := templateSecret(secrets, access.URL)
	switch {
	case err != nil:
		return found, err
	case template == nil:
		return found, nil
	case argoHost(string(template.Data["url"])) != host:
		found.foreign = nameOf("Secret", template.Namespace, template.Name)
		return found, nil
	}
	return found, found.inherit(template)
}

// repositorySecret returns the Secret of the Application's project, else one of no
// project, nil if there is neither. Argo CD takes any one of several.
func repositorySecret(secrets []corev1.Secret, access sourceauth.Auth) (*corev1.Secret, error) {
	project := access.Project
	if project == "" {
		project = defaultProject
	}
	for _, scope := range []string{project, ""} {
		var found []*corev1.Secret
		for i := range secrets {
			secret := &secrets[i]
			if secret.Labels[argoLabel] == argoRepo && string(secret.Data["project"]) == scope && sameArgoURL(string(secret.Data["url"]), access.URL) {
				found = append(found, secret)
			}
		}
		if len(found) > 0 {
			return onlyOne(found, access.URL)
		}
	}
	return nil, nil
}

// templateSecret returns the credential template with the longest URL that access.URL
// begins with, nil if there is none.
func templateSecret(secrets []corev1.Secret, repoURL string) (*corev1.Secret, error) {
	var found []*corev1.Secret
	longest := 0
	wanted := normalArgoURL(repoURL)
	for i := range secrets {
		secret := &secrets[i]
		prefix := normalArgoURL(string(secret.Data["url"]))
		if secret.Labels[argoLabel] != argoTemplate || prefix == "" || !strings.HasPrefix(wanted, prefix) || len(prefix) < longest {
			continue
		}
		if len(prefix) > longest {
			longest, found = len(prefix), nil
		}
		found = append(found, secret)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return onlyOne(found, repoURL)
}

func onlyOne(found []*corev1.Secret, repoURL string) (*corev1.Secret, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	var names []string
	for _, secret := range found {
		names = append(names, secret.Namespace+"/"+secret.Name)
	}
	slices.Sort(names)
	return nil, problem.Invalid("the Secrets %s are all for repoURL %s, and Argo CD takes any one of them", strings.Join(names, ", "), chart.Quote(repoURL)).
		WithNext("keep one of them")
}

// read takes a repository Secret over.
func (a *argoSettings) read(secret *corev1.Secret) error {
	a.from, a.project = nameOf("Secret", secret.Namespace, secret.Name), string(secret.Data["project"])
	return a.add(secret, a.from)
}

// inherit adds what a credential template says where the repository Secret says nothing.
func (a *argoSettings) inherit(template *corev1.Secret) error {
	from := nameOf("Secret", template.Namespace, template.Name)
	a.from = from
	return a.add(template, from)
}

func (a *argoSettings) add(secret *corev1.Secret, from string) error {
	text := func(key string) string { return string(secret.Data[key]) }
	a.username, a.password = or(a.username, text(keyUsername)), or(a.password, text(keyPassword))
	if a.proxy == "" && text("proxy") != "" {
		a.proxy, a.proxyFrom = text("proxy"), from
		a.projectProxy = secret.Labels[argoLabel] == argoRepo && a.project != ""
	}
	a.noProxy = or(a.noProxy, text("noProxy"))
	if len(a.clientCertificate) == 0 {
		a.clientCertificate = secret.Data["tlsClientCertData"]
	}
	if len(a.clientKey) == 0 {
		a.clientKey = secret.Data["tlsClientCertKey"]
	}
	for key, set := range map[string]func(){
		"insecure":                 func() { a.insecure, a.insecureFrom = true, from },
		"insecureIgnoreHostKey":    func() {}, // of Git over SSH
		"insecureOCIForceHttp":     func() { a.insecure, a.insecureFrom = true, from },
		"useAzureWorkloadIdentity": func() { a.azure = true },
	} {
		value, there := secret.Data[key]
		if !there {
			continue
		}
		is, err := strconv.ParseBool(string(value))
		if err != nil {
			return unusable(from, "has a field "+key+" that is neither true nor false")
		}
		if is {
			set()
		}
	}
	return nil
}

// check refuses what would let Argo CD pull something else than chartgate verifies; see
// the package's documentation.
func (a argoSettings) check(access sourceauth.Auth, host string, plainHTTP []string) error {
	switch {
	case a.insecure && !slices.Contains(plainHTTP, host):
		return problem.Invalid("%s lets Argo CD connect without a check of the server's identity (insecure), so an attacker on the network can replace what it pulls from %s", a.insecureFrom, host).
			WithNext("remove insecure and insecureOCIForceHttp from %s; a private CA goes into ConfigMap %s; for a test registry, the admin names the host with --plain-http", a.insecureFrom, argoCAs)
	case a.projectProxy && !isNative(access.URL):
		return problem.Invalid("%s of project %s sends Argo CD through a proxy, and a Helm source is pulled by version, so the project's members decide what it gets",
			a.proxyFrom, chart.Quote(a.project)).
			WithNext("use a native source (repoURL: oci://…, without chart), which is pulled by digest, or let the admin set the proxy in a Secret without project")
	default:
		return nil
	}
}

func otherURL(secret *corev1.Secret) *problem.Error {
	from := nameOf("Secret", secret.Namespace, secret.Name)
	return problem.Invalid("the url in %s is not written like the Application's repoURL; Argo CD takes the two for the same and pulls from the Secret's", from).
		WithNext("write the same URL in both, character by character")
}

// argoCredentials are the fields of which one is enough to inherit nothing.
var argoCredentials = []string{keyUsername, keyPassword, "bearerToken", "sshPrivateKey", "tlsClientCertData", "githubAppPrivateKey"}

func hasArgoCredentials(secret *corev1.Secret) bool {
	azure, _ := strconv.ParseBool(string(secret.Data["useAzureWorkloadIdentity"]))
	return azure || slices.ContainsFunc(argoCredentials, func(key string) bool { return len(secret.Data[key]) > 0 })
}

// isNative reports whether a repoURL makes a native OCI source.
func isNative(repoURL string) bool { return strings.HasPrefix(repoURL, chart.SchemeOCI+"://") }

// argoHost returns the host of a repoURL as chart.Location names it, "" if it has none.
func argoHost(repoURL string) string {
	rest := strings.TrimPrefix(repoURL, chart.SchemeOCI+"://")
	host, _, _ := strings.Cut(rest, "/")
	return canonicalHost(host)
}

// sameArgoURL is how Argo CD compares the URL of an Application with that of a Secret
// (util/git SameURL).
func sameArgoURL(a, b string) bool {
	normal := func(s string) string { return or(normalArgoURL(s), s) }
	return normal(a) != "" && normal(a) == normal(b)
}

var argoSSH = regexp.MustCompile(`^(ssh://)?([^/:]*?)@[^@]+$`)

// normalArgoURL is how Argo CD writes a URL before it compares it, "" if it cannot
// (util/git NormalizeGitURL). It is made for Git: a host with a port and without a
// scheme is no URL if the host is an IP address.
func normalArgoURL(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if argoSSH.MatchString(s) && !strings.HasPrefix(s, "ssh://") {
		s = "ssh://" + strings.Replace(s, ":", "/", 1)
	}
	parsed, err := url.Parse(strings.TrimSuffix(s, ".git"))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(parsed.String(), "ssh://")
}

func argoTooMany(namespace string) *problem.Error {
	return &problem.Error{Kind: problem.KindLimitExceeded, Detail: fmt.Sprintf("namespace %s has more than %d repository Secrets, and chartgate reads no more", namespace, maxArgoSecrets)}
}

func or(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}
