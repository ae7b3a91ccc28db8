// Package inventory says what a cluster, or the files that a cluster is made from, deploys: for each
// object that takes a chart from somewhere, the chart, how firmly it is pinned, which digest it means
// now and which is deployed, who signed it, and what the policies say of it.
package inventory

import (
	"time"

	"github.com/chartgate/chartgate/pkg/verdict"
)

// Inventory is everything that a scan found. Scripts read its JSON form: docs/cli.md.
type Inventory struct {
	// At is when the scan began.
	At time.Time `json:"at"`
	// From names what was scanned: a context of a kubeconfig, or files.
	From string `json:"from"`
	// Policies says which policies the verdicts are by, for people; "" if there were none.
	Policies string `json:"policies,omitempty"`
	Rows     []Row  `json:"rows"`
	// Summary counts the rows.
	Summary Summary `json:"summary"`
	// Outside are releases that helm itself installed: chartgate does not see them.
	Outside []HelmRelease `json:"outside,omitempty"`
	// Problems are what could not be listed, and is missing in Rows.
	Problems []Problem `json:"problems,omitempty"`
}

// Row is one field of an object that names a chart, or a repository of charts.
type Row struct {
	Object Object `json:"object"`
	// File is the file, and the document in it, that holds the object; "" if it is from a cluster.
	File string `json:"file,omitempty"`
	// Field is the path of the field, as in "spec.chart.spec".
	Field string `json:"field,omitempty"`
	// Reference is the canonical reference, as "oci://ghcr.io/acme/charts/podinfo:6.7.1", or the
	// location of a repository of charts; "" if it could not be read.
	Reference string `json:"reference,omitempty"`
	// Registry is the host in Reference.
	Registry string `json:"registry,omitempty"`
	// Pinning is Floating, Version or Digest (chart.Pinning); "" where no single chart is named.
	Pinning string `json:"pinning,omitempty"`
	// Digest is the manifest that Reference means now; "" if it was not resolved.
	Digest   string   `json:"digest,omitempty"`
	Deployed Deployed `json:"deployed,omitzero"`
	// Signers are those whose signatures and attestations of Digest were verified, and the keys
	// and signers that could not be verified for lack of a key or trust root.
	Signers []Signer `json:"signers,omitempty"`
	// Verdict is what the policies say, as verdict.Verdict.String spells it; NotJudged where there
	// are no policies, and the chart could be examined.
	Verdict string         `json:"verdict"`
	Reason  verdict.Reason `json:"reason,omitempty"`
	// Policies are the names of those that accept or deny.
	Policies []string  `json:"policies,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Message is the whole text that a user would see, with its lines where, policy, found, next.
	Message string `json:"message,omitempty"`
	// Lasting is set where chartgate could not find out, and will not until a person has changed
	// something.
	Lasting bool `json:"-"`
	// Next is the command or act that fixes a denial; "" if there is none.
	Next string `json:"next,omitempty"`
}

// NotJudged is the verdict of a scan without policies on everything that only a policy decides.
const NotJudged = "NotJudged"

// Object names the object of a row.
type Object struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Version is the API version without the group, as the API server served it, and UID the UID;
	// "" if the object is from a file. Reports refer to their objects by them.
	Version string `json:"-"`
	UID     string `json:"-"`
}

// Deployed is what the object's own status says that it has pulled or deployed.
type Deployed struct {
	// Revision is the status's own words: "6.7.1", "6.7.1@sha256:…".
	Revision string `json:"revision,omitempty"`
	// Manifest is the digest of the chart's manifest; "" if the status does not tell it.
	Manifest string `json:"manifest,omitempty"`
	// Archive is the digest of the chart's archive, which is the layer of the manifest; "" if the
	// status does not tell it, or if the consumer makes an archive of its own.
	Archive string `json:"archive,omitempty"`
	// Is says how this compares with Row.Digest.
	Is Comparison `json:"is,omitempty"`
}

// Comparison says whether what is deployed is what the reference means now.
type Comparison string

// The comparisons. "" means that nothing is deployed yet.
const (
	Same    Comparison = "Same"    // the same digest
	Moved   Comparison = "Moved"   // another digest than the reference means now
	Unknown Comparison = "Unknown" // no digest tells
)

// Signer is who signed or attested a chart.
type Signer struct {
	// Key is the fingerprint of a key, "" for a certificate.
	Key     string `json:"key,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Repository is the claim sourceRepositoryURI of the certificate.
	Repository string `json:"repository,omitempty"`
	// Predicate is the type of an attestation; "" for a signature of the chart.
	Predicate string `json:"predicate,omitempty"`
	// TrustRoot is the trust root that proves the certificate.
	TrustRoot string `json:"trustRoot,omitempty"`
	// Unlogged is set for a verified signature without a log entry that a trust root proves.
	Unlogged bool `json:"unlogged,omitempty"`
	// Unverified is why the signature could not be verified: a key that nobody has named, or a
	// certificate of an unknown authority. The rest is then what the attachment says of itself.
	Unverified string `json:"unverified,omitempty"`
	// Identities are the names of the identities in the policies that this signer is.
	Identities []string `json:"identities,omitempty"`
}

// Finding is a change that someone should look at.
type Finding struct {
	Kind FindingKind `json:"kind"`
	// Detail says it for people. It stays the same for as long as the finding does ("ends on
	// 2026-12-24", not "ends in 9 days"), because reports are written only when something changes.
	Detail string `json:"detail"`
}

// FindingKind names a finding. Dashboards and reports depend on the names.
type FindingKind string

const (
	// TagMoved: the tag now means another digest than the one that is deployed.
	TagMoved FindingKind = "TagMoved"
	// NoLongerTrusted: it passed before, and does not pass now.
	NoLongerTrusted FindingKind = "NoLongerTrusted"
	// WaiverEnding: it passes by a waiver that ends within 14 days.
	WaiverEnding FindingKind = "WaiverEnding"
)

// HelmRelease is a release that helm itself installed, by its newest Secret or ConfigMap.
type HelmRelease struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Chart     string `json:"chart"`
	Version   string `json:"version"`
}

// Problem is a kind of objects, or a namespace, that could not be listed.
type Problem struct {
	// What was not listed, as in "HelmReleases in all namespaces".
	What string `json:"what"`
	// Why, in plain words.
	Why string `json:"why"`
	// Next is what the user can do.
	Next string `json:"next,omitempty"`
}

// String says what is missing, why, and what the user can do.
func (p Problem) String() string {
	text := p.What + ": " + p.Why
	if p.Next != "" {
		text += "; next: " + p.Next
	}
	return text
}

// Denied reports whether a cluster with chartgate would deny this.
func (r Row) Denied() bool { return r.Verdict == denied }

// denied is the verdict of a denial: the zero value of a verdict denies.
var denied = verdict.Verdict{}.String()
