package suggest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/inventory"
)

// identity is a signer as it will be trusted: two signers that one TrustedIdentity describes are
// equal.
type identity struct {
	key, issuer, subject string
	repository           string // the claim; only where tags is set
	trustRoot            string // "" where a key proves a signature alone
	tags                 bool   // subject ends in @refs/tags/, and any tag may follow
	unlogged             bool
}

const tagsOf = "@refs/tags/"

// identityOf returns who is to be trusted for a signature. Each release of a workflow that runs on
// tags has a subject of its own, so that every tag of the workflow in its repository is one.
func identityOf(s inventory.Signer) identity {
	id := identity{key: s.Key, issuer: s.Issuer, subject: s.Subject, trustRoot: s.TrustRoot, unlogged: s.Unlogged}
	if id.key != "" {
		id = identity{key: s.Key, unlogged: s.Unlogged}
		if !s.Unlogged {
			id.trustRoot = cmp.Or(s.TrustRoot, evidence.DefaultTrustRoot)
		}
		return id
	}
	if workflow, tag, ok := strings.Cut(s.Subject, tagsOf); ok && tag != "" && s.Repository != "" {
		id.subject, id.repository, id.tags = workflow+tagsOf, s.Repository, true
	}
	return id
}

// who returns the signer alone: one key or certificate subject, whatever else was verified.
func (id identity) who() identity {
	id.unlogged = false
	if id.key != "" {
		id.trustRoot = ""
	}
	return id
}

func compareIdentities(a, b identity) int {
	flag := func(on bool) int {
		if on {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.subject, b.subject), cmp.Compare(a.issuer, b.issuer), cmp.Compare(a.repository, b.repository),
		cmp.Compare(a.trustRoot, b.trustRoot), cmp.Compare(flag(a.unlogged), flag(b.unlogged)))
}

// keys are public keys in PEM, by their fingerprints.
type keys map[string]string

func keysOf(all []evidence.PublicKey) keys {
	known := keys{}
	for _, key := range all {
		known[key.Fingerprint()] = key.PEM()
	}
	return known
}

// identities are TrustedIdentities by their names.
type identities map[identity]string

func identitiesOf(charts []used) identities {
	var all []identity
	for _, c := range charts {
		all = append(all, c.signers...)
	}
	slices.SortFunc(all, compareIdentities)
	ids, names := identities{}, namer{}
	for _, id := range slices.Compact(all) {
		ids[id] = names.unique(id.slug())
	}
	return ids
}

func (ids identities) names(of []identity) []string {
	var names []string
	for _, id := range of {
		names = append(names, ids[id])
	}
	slices.Sort(names)
	return names
}

// slug names an identity after its repository and workflow, its address or its key.
func (id identity) slug() string {
	if id.key != "" {
		digits := slug(strings.TrimPrefix(id.key, "sha256:"))
		return "key-" + digits[:min(12, len(digits))]
	}
	_, path, ok := strings.Cut(id.subject, "://")
	if !ok {
		return slug(id.subject)
	}
	if _, below, ok := strings.Cut(path, "/"); ok {
		path = below
	}
	return slug(strings.NewReplacer(".github/workflows/", "", ".yaml@", "@", ".yml@", "@", "@refs/heads/", "@", "@refs/tags/", "@tags").Replace(path))
}

func (ids identities) documents(charts []used, known keys) []document {
	var all []document
	for id, name := range ids {
		signed, trusted := 0, false
		for _, c := range charts {
			if slices.Contains(c.signers, id) {
				signed++
				trusted = trusted || !c.asks
			}
		}
		d := document{name: name, comment: []string{fmt.Sprintf("Signed %d of the charts below.", signed)}, disabled: !trusted || id.lacksKey(known)}
		if id.needsTrustRoot() {
			d.comment = append(d.comment, "It needs the TrustRoot "+oneLine(id.trustRoot)+", which is not in this file.")
		}
		if id.unlogged {
			d.comment = append(d.comment, "No entry of its signatures in a transparency log was verified, so none is required.")
		}
		if !trusted {
			d.comment = append(d.comment, "Each of them has other signers, too. Uncomment this only if you trust it.")
		}
		if id.lacksKey(known) {
			d.comment = append(d.comment, "A scan cannot know the key itself. Put the public key with the fingerprint "+oneLine(id.key)+" into key.pem, and uncomment the document.")
		}
		d.object = v1alpha1.TrustedIdentity{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "TrustedIdentity"},
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: id.spec(known[id.key]),
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b document) int { return cmp.Compare(a.name, b.name) })
	return all
}

// lacksKey reports whether the signer is a key of which a scan knows the fingerprint only.
func (id identity) lacksKey(known keys) bool { return id.key != "" && known[id.key] == "" }

// needsTrustRoot reports whether the signer's certificates or log entries are those of a Sigstore with a TrustRoot of
// its own.
func (id identity) needsTrustRoot() bool {
	return id.trustRoot != "" && id.trustRoot != evidence.DefaultTrustRoot
}

// spec describes the signer; pem is its key, if it has one and that is known.
func (id identity) spec(pem string) v1alpha1.TrustedIdentitySpec {
	var spec v1alpha1.TrustedIdentitySpec
	log := v1alpha1.TransparencyLog("")
	if id.unlogged {
		log = v1alpha1.TransparencyLogNotRequired
	}
	switch {
	case pem != "":
		spec.Key = &v1alpha1.Key{PEM: pem, TransparencyLog: log}
	case id.key != "":
		spec.Key = &v1alpha1.Key{PEM: "-----BEGIN PUBLIC KEY-----\n(the key with the fingerprint " + oneLine(id.key) + ")\n-----END PUBLIC KEY-----\n", TransparencyLog: log}
	default:
		spec.Keyless = &v1alpha1.Keyless{Issuer: id.issuer, Subject: id.subject, TransparencyLog: log}
	}
	if id.tags {
		spec.Keyless.Subject, spec.Keyless.SubjectRegExp = "", "^"+regexp.QuoteMeta(id.subject)+".+$"
		spec.Keyless.Claims = map[string]string{"sourceRepositoryURI": id.repository}
	}
	if id.needsTrustRoot() {
		spec.TrustRoot = id.trustRoot
	}
	return spec
}
