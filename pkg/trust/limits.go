package trust

import "time"

const (
	// maxRoot, maxTimestamp, maxSnapshot and maxTargets bound the files of TUF metadata. Those of Sigstore's public-good
	// instance take 6, 1, 1 and 8 KiB. With all delegated roles they must fit into the chart's cache of 64 MiB.
	maxRoot      = 512 << 10
	maxTimestamp = 16 << 10
	maxSnapshot  = 1 << 20
	maxTargets   = 1 << 20
	// maxTrustedRoot bounds a trusted_root.json from a TUF repository. The public-good one takes 8 KiB.
	maxTrustedRoot = 1 << 20
	// maxRotations bounds the root versions that one update follows. Real repositories make some two a year.
	maxRotations = 256
	// maxDelegations bounds the roles that are searched for the target.
	maxDelegations = 16
	// maxRedirects bounds what a mirror may send chartgate through: one to a CDN, and room.
	maxRedirects = 4
	// requestTimeout bounds each request to a mirror, from the connection to the last byte.
	requestTimeout = 10 * time.Second
	// updateTimeout bounds one update: a slow mirror with many root versions.
	updateTimeout = time.Minute
	// refreshEvery is the time between updates. The public-good timestamp lives for a week, that of tuf-on-ci
	// repositories for days. Metadata that expire sooner are refreshed at half of what is left.
	refreshEvery = time.Hour
	// retryEvery is the time between updates as long as they fail. Only the background tries again, so that admissions
	// never wait for a mirror that is known to be down.
	retryEvery = 15 * time.Second
	// defaultPatience is how long callers wait for the first update. The rest of an admission, 10 s by default, is for
	// the registry.
	defaultPatience = 3 * time.Second
)
