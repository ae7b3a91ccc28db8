// Package sourceauth says how the consumer of a chart, Flux or Argo CD, authenticates to a registry:
// by the names in its objects, never by a secret.
package sourceauth

// Consumer is what pulls a chart in a cluster. The zero value pulls nothing: somebody
// asks on a command line.
type Consumer int

const (
	// Flux takes what it needs from the namespace of its source object.
	Flux Consumer = iota + 1
	// ArgoCD finds its repository Secrets by URL and project.
	ArgoCD
)

// Auth is how a consumer reaches the registry of a chart, by the names in its
// objects. It holds no secret. The zero value is chartgate's own way.
type Auth struct {
	Consumer Consumer
	// Namespace is that of Flux's source object. Only Secrets in it count.
	Namespace string
	// Secret holds a user name and password, or a Docker configuration (secretRef).
	Secret string
	// ServiceAccount is the one whose imagePullSecrets count (serviceAccountName).
	ServiceAccount string
	// Certificates holds a CA, a client certificate, or both (certSecretRef).
	Certificates string
	// Proxy holds the address of a proxy, with a login or without (proxySecretRef).
	Proxy string
	// Provider is the cloud whose identity logs in: "aws", "azure" or "gcp". "" and
	// "generic" are none.
	Provider string
	// URL is Argo CD's repoURL as it is written, Project the Application's project.
	URL, Project string
	// StoredHost is the host, as Location.Host spells it, in the URL of the source object
	// that stands in the API server and names these Secrets. "" while no such object is
	// stored: then only the request says so, and anyone who reaches the webhook can send
	// one. A login that is not bound to a host by its own Secret goes to this host alone.
	StoredHost string
	// NamedHost is the chart's host if a policy that matches the chart, or its signature
	// repository, names that host without a wildcard; "" otherwise. No login of a consumer
	// goes to another host, unless the admin named it.
	NamedHost string

	// Askers say whose share of a registry's places the work takes. They have no part in
	// how the registry is reached: what is equal but for them is the same question. Nil
	// is somebody on a command line.
	Askers Askers
}

// Askers are the namespaces whose writes wait for one piece of work. They may become more,
// or fewer, as long as it lasts. Package fair takes a slot from the share of one of them.
type Askers interface {
	// Keys returns the namespaces, each once.
	Keys() []string
	// Changed returns a channel that is closed when Keys returns something else than
	// now; nil if that never happens.
	Changed() <-chan struct{}
}
