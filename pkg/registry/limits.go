package registry

import "time"

// What a registry may cost one decision. Anyone who can push to a repository can attach anything to
// a chart, so every size and count has a limit.
const (
	// maxManifest limits one manifest. Helm's have about 1 KiB; a .sig manifest grows by some 10
	// KiB with each keyless signature, so 100 of them fit.
	maxManifest = 1 << 20

	// maxContents limits the manifests that are read for one chart: an image index, and what it and
	// its manifests refer to. A chart has one manifest, or two with an index.
	maxContents = 16

	// maxBundle limits one sigstore bundle: a signature has 5 to 15 KiB, a SLSA provenance rarely
	// more than 100 KiB.
	maxBundle = 1 << 20

	// maxAttestation limits a bundle or an envelope that is marked with a wanted predicate: the
	// largest honest ones, SBOMs, have a few MiB. Package signature has the same limit.
	maxAttestation = 8 << 20

	// maxPayload limits one legacy payload; cosign writes 250 bytes and the signer's own
	// annotations.
	maxPayload = 64 << 10

	// maxAnnotations limits the annotations of one legacy layer: signature, certificate, chain and
	// log entry together have about 10 KiB.
	maxAnnotations = 128 << 10

	// maxPage limits one page of a list. 1000 referrers have about 600 KiB.
	maxPage = 1 << 20

	// maxAnswer limits every other answer: tokens, errors, redirects. A token is smaller than the
	// 16 KiB that servers accept in a header, and is contained twice.
	maxAnswer = 128 << 10

	// maxHeader limits the header of an answer; net/http's own limit is 10 MiB.
	maxHeader = 128 << 10

	// maxJSONValues limits the values in one JSON document, because "{}," becomes a descriptor of
	// 120 bytes: 1 MiB of it would take 40 MiB and more. 1000 referrers with ten annotations each
	// have 16,000.
	maxJSONValues = 50_000

	// maxJSONDepth limits nesting. An index with annotations has four levels.
	maxJSONDepth = 16

	// maxArchive limits a chart's archive. Helm stores releases in Secrets of 1 MiB, so most have
	// less; the largest public ones, with their sub-charts and CRDs, have some 3 MiB.
	maxArchive = 16 << 20

	// maxTags and maxTagPages limit the list from which a range selects. A range over a part of the
	// tags could select another tag than its consumer, so a longer list is an error. Registries
	// that return 100 tags a page, whatever is requested, still reach 10,000.
	maxTags     = 10_000
	maxTagPages = 100
	tagPageSize = 1000

	// maxReferrers and maxReferrerPages limit the list of referrers: SBOMs, scans and signatures of
	// years.
	maxReferrers     = 1000
	maxReferrerPages = 10

	// maxReferred and maxLegacy limit how many attachments of each format are read for one chart in
	// one repository, so that a chart that is scanned each week for nine years is still admitted. A
	// referrer costs two requests, a legacy layer one, and an admission has some ten seconds, for
	// which maxBatch is enough.
	maxReferred = 500
	maxLegacy   = 500

	// maxLegacyManifest limits the manifest of legacy signatures or attestations if maxManifest is
	// too small. Few of them are read at the same time (maxLarge). Registries accept no larger
	// manifests, and it holds 400 keyless signatures.
	maxLegacyManifest = 4 << 20

	// maxAttachmentBytes limits the bytes that are read from one list of attachments of one chart,
	// one after the other: a year of weekly scans of 1 MiB each.
	maxAttachmentBytes = 64 << 20

	// maxBatch limits the attachments that are read at the same time when the first ones were not
	// sufficient: half of what one host allows.
	maxBatch = 8

	// resultsPerTurn are the attachments of one kind that are examined before those of the next
	// kind.
	resultsPerTurn = 8

	// maxRedirects: a registry redirects a blob to its storage, once or twice.
	maxRedirects = 4

	// maxPerHost limits the requests in flight to one host, so that a slow registry is neither
	// flooded nor holds every connection.
	maxPerHost = 16

	// maxCharts limits the charts of one host that are examined at the same time, because each
	// holds in memory what it has read. It is a limit for each host, so that the charts of a slow
	// registry do not delay those of other registries.
	maxCharts = 32

	// maxLarge limits the contents of one host in memory that are larger than maxBundle: 64 MiB at
	// most.
	maxLarge = 4

	// What a Client for work in the background may use of one host, in place of maxPerHost,
	// maxCharts and maxLarge. It comes on top of them: admissions keep all of theirs.
	backgroundPerHost = 4
	backgroundCharts  = 4
	backgroundLarge   = 1

	// maxTokens limits the tokens that are kept: there is one for each repository, and anyone can
	// invent names of repositories within the pattern of a policy.
	maxTokens = 1000

	// maxHostClients limits the connections of consumers that are kept, each with its TCP
	// connections and up to maxHostTokens tokens. A cluster has one for each Secret that sources
	// name. A connection that is not kept only has to log in again.
	maxHostClients = 128
	maxHostTokens  = 50

	// observedFor is how long an observation counts that saves requests: that a host has no
	// referrers API, that it answers without a login, that bundles are used in a folder.
	// maxObserved limits the observations of each sort.
	observedFor = 10 * time.Minute
	maxObserved = 1000

	// The API server waits 30 s at most for a webhook. These limits only matter to callers with
	// more time, and give each stage an error of its own.
	dialTimeout   = 5 * time.Second
	tlsTimeout    = 5 * time.Second
	headerTimeout = 10 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = 90 * time.Second
)
