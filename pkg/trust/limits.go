package trust

import "time"

const (
	// maxRoot, maxTimestamp, maxSnapshot and maxTargets limit the files of TUF metadata. Those of
	// Sigstore's public-good instance take 6, 1, 1 and 8 KiB. With all delegated roles they must
	// fit into the cache of 64 MiB that the Helm chart sets up.
	maxRoot      = 512 << 10
	maxTimestamp = 16 << 10
	maxSnapshot  = 1 << 20
	maxTargets   = 1 << 20
	// maxTrustedRoot limits a trusted_root.json from a TUF repository. The public-good one takes 8
	// KiB.
	maxTrustedRoot = 1 << 20
	// maxRotations limits the root versions that one update follows. Real repositories make about
	// two a year.
	maxRotations = 256
	// maxDelegations limits the roles that are searched for the target.
	maxDelegations = 16
	// maxRedirects limits the redirects of one request. Real mirrors redirect once, to a CDN.
	maxRedirects = 4
	// requestTimeout limits each request to a mirror, from the connection to the last byte.
	requestTimeout = 10 * time.Second
	// updateTimeout limits one update, for a slow mirror with many root versions.
	updateTimeout = time.Minute
	// refreshEvery is the time between updates. The public-good timestamp is valid for a week, that
	// of tuf-on-ci repositories for days. Metadata that expire sooner are refreshed after half of
	// the remaining time.
	refreshEvery = time.Hour
	// retryEvery is the time between updates while they fail. Only the background retries, so that
	// admissions never wait for a mirror that is known to be down.
	retryEvery = 15 * time.Second
	// defaultPatience is how long callers wait for the first update. The rest of an admission, 10 s
	// by default, is for the registry.
	defaultPatience = 3 * time.Second
)
