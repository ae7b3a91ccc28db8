package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TrustedIdentity is somebody whose signatures ChartPolicies can ask for: the
// identity in a Sigstore certificate, or a public key.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=ti,categories=chartgate
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Issuer",type=string,JSONPath=`.spec.keyless.issuer`
// +kubebuilder:printcolumn:name="Subject",type=string,JSONPath=`.spec.keyless.subject`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TrustedIdentity struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says who is meant.
	// +required
	Spec TrustedIdentitySpec `json:"spec"`
	// Status says whether the identity can be used.
	// +optional
	Status Status `json:"status,omitempty"`
}

// TrustedIdentitySpec is exactly one of a keyless identity and a key.
//
// +kubebuilder:validation:XValidation:rule="has(self.keyless) != has(self.key)",message="exactly one of keyless and key must be set"
type TrustedIdentitySpec struct {
	// Keyless is the identity that Sigstore's certificate authority (Fulcio) put
	// into the signing certificate.
	// +optional
	Keyless *Keyless `json:"keyless,omitempty"`
	// Key is a public key.
	// +optional
	Key *Key `json:"key,omitempty"`
}

// Keyless describes a signing certificate. Everything given must hold.
//
// +kubebuilder:validation:XValidation:rule="has(self.issuer) != has(self.issuerRegExp)",message="exactly one of issuer and issuerRegExp must be set"
// +kubebuilder:validation:XValidation:rule="has(self.subject) != has(self.subjectRegExp)",message="exactly one of subject and subjectRegExp must be set"
type Keyless struct {
	// Issuer is the OIDC issuer, exactly, as in
	// https://token.actions.githubusercontent.com.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// IssuerRegExp matches the whole OIDC issuer (RE2 syntax, anchored at both ends).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	IssuerRegExp string `json:"issuerRegExp,omitempty"`
	// Subject is the certificate's subject alternative name, exactly: a workflow URL
	// such as
	// https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main,
	// or an email address.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	Subject string `json:"subject,omitempty"`
	// SubjectRegExp matches the whole subject (RE2 syntax, anchored at both ends).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	SubjectRegExp string `json:"subjectRegExp,omitempty"`
	// Claims are Fulcio certificate extensions that must have exactly these values,
	// by the names of https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
	// in lower camel case, as in sourceRepositoryURI: https://github.com/acme/charts.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Claims map[string]string `json:"claims,omitempty"`
}

// TransparencyLog says whether signatures by a key must be in a log.
//
// +kubebuilder:validation:Enum=Required;NotRequired
type TransparencyLog string

// The values of TransparencyLog.
const (
	TransparencyLogRequired    TransparencyLog = "Required"
	TransparencyLogNotRequired TransparencyLog = "NotRequired"
)

// Key is a public key.
type Key struct {
	// PEM is the public key as one PEM block "PUBLIC KEY": ECDSA, Ed25519, or RSA of
	// 2048 bits or more. cosign writes it to cosign.pub.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	// +required
	PEM string `json:"pem"`
	// TransparencyLog says whether inclusion in a transparency log must be proven
	// too. Without it nobody can tell when a signature was made, or notice a stolen
	// key at work.
	// +kubebuilder:default=Required
	// +optional
	TransparencyLog TransparencyLog `json:"transparencyLog,omitempty"`
}

// TrustedIdentityList is a list of TrustedIdentities.
//
// +kubebuilder:object:root=true
type TrustedIdentityList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrustedIdentity `json:"items"`
}
