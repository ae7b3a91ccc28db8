// Package sourceauth says how the consumer of a chart, Flux or Argo CD, authenticates to a
// registry. It holds names from its objects, never a secret.
package sourceauth

// Consumer is the software that pulls a chart in a cluster. The zero value is a command line, which
// pulls no chart.
type Consumer int

const (
	// Flux takes what it needs from the namespace of its source object.
	Flux Consumer = iota + 1
	// ArgoCD finds its repository Secrets by URL and project.
	ArgoCD
)

// Auth is how a consumer authenticates to the registry of a chart, as names from its objects. It
// holds no secret. With the zero value, chartgate uses its own configuration.
type Auth struct {
	Consumer Consumer
	// Namespace is that of Flux's source object. Only Secrets in it are used.
	Namespace string
	// Secret holds a user name and password, or a Docker configuration (secretRef).
	Secret string
	// ServiceAccount is the service account whose imagePullSecrets are used (serviceAccountName).
	ServiceAccount string
	// Certificates holds a CA, a client certificate, or both (certSecretRef).
	Certificates string
	// Proxy holds the address of a proxy, optionally with a login (proxySecretRef).
	Proxy string
	// Provider is the cloud whose identity logs in: "aws", "azure" or "gcp". "" and "generic" mean
	// no cloud.
	Provider string
	// URL is Argo CD's repoURL as it is written, Project the Application's project.
	URL, Project string
	// StoredHost is the host, as Location.Host spells it, in the URL of the source object that is
	// stored in the API server and names these Secrets. It is "" if no such object is stored: a
	// request alone proves nothing, because anyone who reaches the webhook can send one. A login
	// whose own Secret does not name a host is sent only to this host.
	StoredHost string
	// NamedHost is the chart's host if a policy that matches the chart, or its signature
	// repository, names that host without a wildcard; "" otherwise. No login of a consumer is sent
	// to another host, unless the admin named it.
	NamedHost string

	// Askers say whose share of a registry's slots the work uses. They do not change how the
	// registry is reached: requests that differ only in them are the same request. Nil means a
	// command line.
	Askers Askers
}

// Askers are the namespaces whose writes wait for one piece of work. Their number can change while
// it runs. Package fair takes a slot from the share of one of them.
type Askers interface {
	// Keys returns the namespaces, each once.
	Keys() []string
	// Changed returns a channel that is closed when Keys would return other namespaces; nil if that
	// never happens.
	Changed() <-chan struct{}
}
