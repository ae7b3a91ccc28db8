package credentials

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Argo CD finds its Secrets by a label.
const (
	argoLabel          = "argocd.argoproj.io/secret-type"
	argoRepositoryType = "repository"
	argoTemplateType   = "repo-creds"
	defaultProject     = "default" // of an Application without a project
)

// argoRepository is what Argo CD's Secrets say about one repository.
type argoRepository struct {
	// from names the Secret that holds the credentials, project is the one of the repository
	// Secret; "" without one.
	from, project                string
	username, password           string
	clientCertificate, clientKey []byte
	proxy, noProxy, proxyFrom    string
	// projectProxy is set where a Secret of a project chose the proxy.
	projectProxy            bool
	insecure, azureIdentity bool
	// insecureFrom names the Secret that sets insecure.
	insecureFrom string
	// otherHost names a credential template that Argo CD would use, but that is for another host.
	otherHost string
}

// findArgoRepository chooses among Argo CD's Secrets as Argo CD does.
func findArgoRepository(secrets []*corev1.Secret, auth sourceauth.Auth, host string) (argoRepository, error) {
	var found argoRepository
	secret, err := repositorySecret(secrets, auth)
	if err != nil {
		return found, err
	}
	if secret != nil {
		if string(secret.Data["url"]) != auth.URL {
			return found, otherURL(secret)
		}
		found.project = string(secret.Data["project"])
		if err := found.add(secret); err != nil {
			return found, err
		}
		if hasArgoCredentials(secret) {
			return found, nil
		}
	}
	template, err := templateSecret(secrets, auth.URL)
	switch {
	case err != nil:
		return found, err
	case template == nil:
		return found, nil
	case argoHost(string(template.Data["url"])) != host:
		found.otherHost = nameOfSecret(template)
		return found, nil
	}
	return found, found.add(template)
}

// repositorySecret returns the Secret of the Application's project, else one without a project, nil
// if neither exists. Of several, Argo CD takes an arbitrary one.
func repositorySecret(secrets []*corev1.Secret, auth sourceauth.Auth) (*corev1.Secret, error) {
	project := cmp.Or(auth.Project, defaultProject)
	for _, scope := range []string{project, ""} {
		var found []*corev1.Secret
		for _, secret := range secrets {
			if secret.Labels[argoLabel] == argoRepositoryType && string(secret.Data["project"]) == scope &&
				sameArgoURL(string(secret.Data["url"]), auth.URL) {
				found = append(found, secret)
			}
		}
		if len(found) > 0 {
			return onlyOne(found, auth.URL)
		}
	}
	return nil, nil
}

// templateSecret returns the credential template with the longest URL that repoURL begins with, nil
// if no template matches.
func templateSecret(secrets []*corev1.Secret, repoURL string) (*corev1.Secret, error) {
	var found []*corev1.Secret
	longest := 0
	wanted := normalArgoURL(repoURL)
	for _, secret := range secrets {
		prefix := normalArgoURL(string(secret.Data["url"]))
		if secret.Labels[argoLabel] != argoTemplateType || prefix == "" || !strings.HasPrefix(wanted, prefix) || len(prefix) < longest {
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
	return nil, problem.Invalid("the Secrets %s are all for repoURL %s, and Argo CD takes any one of them", strings.Join(names, ", "), problem.QuoteInput(repoURL)).
		WithNext("keep one of the Secrets, and delete the others")
}

// add adds what a Secret says where the ones before it say nothing: a repository Secret comes
// before the credential template that it inherits from.
func (a *argoRepository) add(secret *corev1.Secret) error {
	from := nameOfSecret(secret)
	a.from = from
	text := func(key string) string { return string(secret.Data[key]) }
	a.username, a.password = cmp.Or(a.username, text(keyUsername)), cmp.Or(a.password, text(keyPassword))
	if a.proxy == "" && text("proxy") != "" {
		a.proxy, a.proxyFrom = text("proxy"), from
		a.projectProxy = secret.Labels[argoLabel] == argoRepositoryType && a.project != ""
	}
	a.noProxy = cmp.Or(a.noProxy, text("noProxy"))
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
		"useAzureWorkloadIdentity": func() { a.azureIdentity = true },
	} {
		value, exists := secret.Data[key]
		if !exists {
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

// check refuses what would let Argo CD pull something else than chartgate verifies; see the
// documentation of the package.
func (a argoRepository) check(auth sourceauth.Auth, host string, plainHTTP []string) error {
	switch {
	case a.insecure && !slices.Contains(plainHTTP, host):
		return problem.Invalid("%s lets Argo CD connect without a check of the server's identity (insecure), so an attacker on the network can replace what it pulls from %s", a.insecureFrom, host).
			WithNext("remove insecure and insecureOCIForceHttp from %s; a private CA goes into ConfigMap %s; for a test registry, the admin names the host with --plain-http", a.insecureFrom, argoCAs)
	case a.projectProxy && !isNative(auth.URL):
		return problem.Invalid("%s of project %s sends Argo CD through a proxy, and a Helm source is pulled by version, so the project's members decide what it gets",
			a.proxyFrom, problem.QuoteInput(a.project)).
			WithNext("use a native source (repoURL: oci://…, without chart), which is pulled by digest, or let the admin set the proxy in a Secret without project")
	default:
		return nil
	}
}

func otherURL(secret *corev1.Secret) *problem.Error {
	from := nameOfSecret(secret)
	return problem.Invalid("the url in %s is not written like the Application's repoURL; Argo CD takes the two for the same and pulls from the Secret's", from).
		WithNext("write the same URL in both, character by character")
}

// argoCredentials are the fields of a repository Secret with which it inherits nothing from a
// credential template.
var argoCredentials = []string{keyUsername, keyPassword, "bearerToken", "sshPrivateKey", "tlsClientCertData", "githubAppPrivateKey"}

func hasArgoCredentials(secret *corev1.Secret) bool {
	azure, _ := strconv.ParseBool(string(secret.Data["useAzureWorkloadIdentity"]))
	return azure || slices.ContainsFunc(argoCredentials, func(key string) bool { return len(secret.Data[key]) > 0 })
}

// sameArgoURL compares the URL of an Application with that of a Secret as Argo CD does (util/git
// SameURL).
func sameArgoURL(a, b string) bool {
	normal := func(s string) string { return cmp.Or(normalArgoURL(s), s) }
	return normal(a) != "" && normal(a) == normal(b)
}

var argoSSH = regexp.MustCompile(`^(ssh://)?([^/:]*?)@[^@]+$`)

// normalArgoURL writes a URL as Argo CD does before it compares it, "" if Argo CD cannot
// (util/git NormalizeGitURL). The function is made for Git: an IP address with a port and without a
// scheme is not a URL for it.
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
