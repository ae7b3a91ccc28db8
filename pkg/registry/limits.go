package registry

import (
	"time"
)

// What a registry may cost one decision. Whoever may push to a repository may
// put anything beside a chart, so every size and count has an end.
const (
	// maxManifest bounds one manifest. Helm's have about 1 KiB; a .sig manifest
	// grows by some 10 KiB with each keyless signature, so 100 of them fit.
	maxManifest = 1 << 20

	// maxContents bounds the manifests that are read for one chart: an image index, and what it
	// and its manifests refer to. A chart has one, behind an index two.
	maxContents = 16

	// maxBundle bounds one sigstore bundle: a signature has 5 to 15 KiB, a SLSA
	// provenance rarely more than 100 KiB.
	maxBundle = 1 << 20

	// maxAttestation bounds a bundle or an envelope that is marked with a predicate which
	// a policy wants: the largest honest ones, SBOMs, have a few MiB. Package signature
	// has the same limit.
	maxAttestation = 8 << 20

	// maxPayload bounds one simple-signing payload; cosign writes 250 bytes plus
	// the signer's own annotations.
	maxPayload = 64 << 10

	// maxAnnotations bounds the annotations of one legacy layer: signature,
	// certificate, chain and log entry together have about 10 KiB.
	maxAnnotations = 128 << 10

	// maxPage bounds one page of a list. 1000 referrers have about 600 KiB.
	maxPage = 1 << 20

	// maxAnswer bounds every other answer: tokens, errors, redirects. A token is
	// smaller than the 16 KiB that servers take in a header, and comes twice.
	maxAnswer = 128 << 10

	// maxHeader bounds the header of an answer; net/http's own limit is 10 MiB.
	maxHeader = 128 << 10

	// maxJSONValues bounds the values in one JSON document, since "{}," becomes a
	// descriptor of 120 bytes: 1 MiB of it would take 40 MiB and more. 1000
	// referrers with ten annotations each have 16,000.
	maxJSONValues = 50_000

	// maxJSONDepth bounds nesting. An index with annotations has four levels.
	maxJSONDepth = 16

	// maxArchive bounds a chart's archive. Helm keeps releases in Secrets of 1 MiB, so
	// most have less; the largest public ones, with their sub-charts and CRDs, have some
	// 3 MiB.
	maxArchive = 16 << 20

	// maxTags and maxTagPages bound the list that a range chooses from. A range
	// over part of the tags could choose another tag than its consumer, so more is
	// a problem, not a shorter list. Registries that give 100 tags a page, whatever
	// is asked for, still come to 10,000.
	maxTags     = 10_000
	maxTagPages = 100
	tagPageSize = 1000

	// maxReferrers and maxReferrerPages bound the list of referrers: SBOMs, scans
	// and signatures of years.
	maxReferrers     = 1000
	maxReferrerPages = 10

	// maxReferred and maxLegacy bound how many pieces of each format are looked at for one chart in
	// one repository, so that a chart that is scanned each week for nine years still passes.
	// A referrer costs two requests, a legacy layer one, and those that wait for an answer have
	// some ten seconds for it, which maxAhead makes enough.
	maxReferred = 500
	maxLegacy   = 500

	// maxCrowded bounds the manifest of legacy signatures or attestations where maxManifest does not
	// do, for one chart of a host after the other: registries take no larger manifests, and it
	// holds 400 keyless signatures.
	maxCrowded = 4 << 20

	// maxMaterial bounds the bytes that are read for one chart in one repository, one after the
	// other: a year of weekly scans of 1 MiB each.
	maxMaterial = 64 << 20

	// maxAhead bounds how many pieces of material are fetched at the same time once the first
	// ones did not do: half of what one host allows.
	maxAhead = 8

	// turn is how many pieces of one kind are looked at before those of the next kind.
	turn = 8

	// maxRedirects: a registry redirects a blob to its storage, once or twice.
	maxRedirects = 4

	// maxPerHost bounds the requests in flight to one host, so that a slow registry
	// neither is flooded nor holds every connection.
	maxPerHost = 16

	// maxCharts bounds the charts of one host that are looked at at the same time,
	// since each holds what it has read. More wait. It is a bound for each host, so
	// that the charts of a slow registry do not hold up those of others.
	maxCharts = 32

	// maxBulky bounds how many contents of one host that are larger than maxBundle are
	// in memory at the same time: 64 MiB at most.
	maxBulky = 4

	// maxTokens bounds the tokens kept: there is one per repository, and within a
	// policy's pattern the repository's name is anybody's choice.
	maxTokens = 1000

	// maxLinks bounds the connections of consumers that are kept, each with its TCP
	// connections and up to maxLinkTokens tokens. A cluster has one for each Secret that
	// sources name; who needs another one only logs in once more.
	maxLinks      = 128
	maxLinkTokens = 50

	// referrersMemory is how long a host without referrers API is asked for the
	// fallback tag first.
	referrersMemory = 10 * time.Minute

	// The API server waits 30 s at most for a webhook. These only matter to
	// callers with more time, and to give each stage its own error.
	dialTimeout   = 5 * time.Second
	tlsTimeout    = 5 * time.Second
	headerTimeout = 10 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = 90 * time.Second

	// retryWait is the pause before the one retry where the registry names none;
	// maxRetryWait is the longest that it may name.
	retryWait    = 200 * time.Millisecond
	maxRetryWait = 5 * time.Second
)
