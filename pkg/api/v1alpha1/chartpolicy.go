package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ChartPolicy defines the requirements that charts must satisfy before they can be deployed. All
// policies that match a chart must accept it. A chart that no policy matches is denied.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=cp,categories=chartgate
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Charts",type=string,JSONPath=`.spec.match.charts[*]`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Unverified until",type=string,JSONPath=`.spec.allowUnverified.until`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ChartPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec selects charts, and defines their requirements.
	// +required
	Spec ChartPolicySpec `json:"spec"`
	// Status says whether the policy can be evaluated. If it cannot, it denies the charts that it
	// matches.
	// +optional
	Status Status `json:"status,omitempty"`
}

// ChartPolicySpec either requires signatures or, for a limited time, admits charts without
// verification.
//
// +kubebuilder:validation:XValidation:rule="has(self.require) != has(self.allowUnverified)",message="exactly one of require and allowUnverified must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.allowUnverified) || !has(self.pinning)",message="pinning has no meaning with allowUnverified"
// +kubebuilder:validation:XValidation:rule="!has(self.allowUnverified) || !has(self.signatureRepository)",message="signatureRepository has no meaning with allowUnverified"
// +kubebuilder:validation:XValidation:rule="!has(self.allowUnverified) || !has(self.dependencies) || self.dependencies == 'Ignore'",message="dependencies cannot be checked with allowUnverified"
// +kubebuilder:validation:XValidation:rule="!has(self.allowUnverified) || !has(self.mode) || self.mode != 'Warn'",message="with mode Warn, allowUnverified would never end"
type ChartPolicySpec struct {
	// Match selects the charts to which the policy applies.
	// +required
	Match Match `json:"match"`
	// Require lists the requirements of a chart. All of them must be satisfied.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Require []Requirement `json:"require,omitempty"`
	// AllowUnverified is a waiver: it admits the charts without a signature, with a reason and
	// until a date.
	// +optional
	AllowUnverified *AllowUnverified `json:"allowUnverified,omitempty"`
	// Pinning is the minimum precision of a reference: Digest (sha256:…), Version (one complete
	// version, no range, no latest; the default) or Floating (any reference, resolved when it is
	// admitted).
	// +optional
	Pinning Pinning `json:"pinning,omitempty"`
	// SignatureRepository is the repository of the charts' signatures and attestations, if they are
	// not beside the charts, as in cosign's COSIGN_REPOSITORY, written
	// oci://registry.acme.example/signatures.
	// +kubebuilder:validation:Pattern=`^oci://.+/.+$`
	// +kubebuilder:validation:MaxLength=512
	// +optional
	SignatureRepository string `json:"signatureRepository,omitempty"`
	// Dependencies is Ignore, or Vendored to deny a chart that declares a dependency which its
	// archive does not contain. Argo CD fetches such a dependency when it renders the chart,
	// without verification.
	// +kubebuilder:default=Ignore
	// +optional
	Dependencies Dependencies `json:"dependencies,omitempty"`
	// Mode is Enforce, or Warn to admit charts that do not satisfy the policy, with a warning, an
	// Event, a log line and a metric.
	// +kubebuilder:default=Enforce
	// +optional
	Mode Mode `json:"mode,omitempty"`
}

// Match selects charts by their location only: a chart gets the same verdict for every user and in
// every namespace.
type Match struct {
	// Charts are patterns of chart locations, as in oci://ghcr.io/acme/charts/**.
	// "*" stands for any characters within one path segment, "**" for one or more
	// whole segments. Hosts are lower case; Docker Hub is docker.io. Charts in Git
	// repositories and buckets are git://github.com/acme/apps//charts/web and
	// bucket://minio.acme.example/charts//web; they cannot carry a signature.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +required
	Charts []string `json:"charts"`
	// Exclude are patterns of charts to which the policy does not apply.
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +optional
	Exclude []string `json:"exclude,omitempty"`
}

// Requirement is a signature that a chart must have or, with attestation, a signed statement about
// the chart.
type Requirement struct {
	// AnyOf are names of TrustedIdentities: the signature or the attestation must be
	// by one of them.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +required
	AnyOf []string `json:"anyOf"`
	// Attestation requires an attestation instead of a signature. An attestation never counts as a
	// signature: to require both, write two requirements.
	// +optional
	Attestation *Attestation `json:"attestation,omitempty"`
}

// Attestation is a signed statement about a chart: its provenance, its bill of materials, a scan.
type Attestation struct {
	// PredicateType is the statement's type, exactly: https://slsa.dev/provenance/v1,
	// https://spdx.dev/Document, https://cyclonedx.org/bom,
	// https://cosign.sigstore.dev/attestation/vuln/v1, or your own type. The short names of cosign
	// attest --type (slsaprovenance1, spdxjson, …) are rejected, because no attestation has them as
	// its type.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="!(self in ['custom', 'slsaprovenance', 'slsaprovenance02', 'slsaprovenance1', 'spdx', 'spdxjson', 'cyclonedx', 'link', 'vuln', 'openvex'])",messageExpression="'a short name of cosign; write ' + {'custom': 'https://cosign.sigstore.dev/attestation/v1', 'slsaprovenance': 'https://slsa.dev/provenance/v0.2', 'slsaprovenance02': 'https://slsa.dev/provenance/v0.2', 'slsaprovenance1': 'https://slsa.dev/provenance/v1', 'spdx': 'https://spdx.dev/Document', 'spdxjson': 'https://spdx.dev/Document', 'cyclonedx': 'https://cyclonedx.org/bom', 'link': 'https://in-toto.io/Link/v1', 'vuln': 'https://cosign.sigstore.dev/attestation/vuln/v1', 'openvex': 'https://openvex.dev/ns'}[self]"
	// +required
	PredicateType string `json:"predicateType"`
	// Conditions must all be true for the same attestation. Without conditions, every attestation
	// of the type is accepted.
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []Condition `json:"conditions,omitempty"`
}

// Condition is a condition on a predicate.
type Condition struct {
	// CEL is an expression that must be true. Its variables are predicate (the predicate, as JSON),
	// predicateType, signer (issuer, subject, claims, key), digest (the chart's, sha256:…) and now,
	// the time of the admission. A field that does not exist in the predicate is an error, and an
	// error is not true: use has().
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +required
	CEL string `json:"cel"`
	// Message is shown in the denial if the expression is not true.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Message string `json:"message,omitempty"`
}

// AllowUnverified is a waiver with a reason and an end.
type AllowUnverified struct {
	// Reason is shown in the warnings.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Reason string `json:"reason"`
	// Until is the last day of the waiver, in UTC, as in "2027-01-31".
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}$')",message="must be a day such as 2027-01-31"
	// +required
	Until string `json:"until"`
}

// Pinning is how precisely a reference must name its content.
//
// +kubebuilder:validation:Enum=Digest;Version;Floating
type Pinning string

// The values of Pinning.
const (
	PinningDigest   Pinning = "Digest"
	PinningVersion  Pinning = "Version"
	PinningFloating Pinning = "Floating"
)

// Dependencies says whether a chart must contain its sub-charts.
//
// +kubebuilder:validation:Enum=Ignore;Vendored
type Dependencies string

// The values of Dependencies.
const (
	DependenciesIgnore   Dependencies = "Ignore"
	DependenciesVendored Dependencies = "Vendored"
)

// Mode is what happens to a chart that does not satisfy a policy.
//
// +kubebuilder:validation:Enum=Enforce;Warn
type Mode string

// The values of Mode.
const (
	ModeEnforce Mode = "Enforce"
	ModeWarn    Mode = "Warn"
)

// Status is chartgate's report on a resource.
type Status struct {
	// Conditions hold one condition, Ready: whether the resource is in force as
	// written, and if not, why.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ChartPolicyList is a list of ChartPolicies.
//
// +kubebuilder:object:root=true
type ChartPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ChartPolicy `json:"items"`
}
