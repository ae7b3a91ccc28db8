package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TrustedIdentity is a signer whose signatures ChartPolicies can require: the identity in a
// Sigstore certificate, or a public key.
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

	// Spec describes the signer.
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
	// Key is a public key, or several during a rotation.
	// +optional
	Key *Key `json:"key,omitempty"`
	// TrustRoot is the name of the TrustRoot that proves certificates, log entries and timestamps.
	// The default is the TrustRoot "default". If that does not exist, it is the trusted_root.json
	// that chartgate was installed with, or Sigstore's public-good instance.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TrustRoot string `json:"trustRoot,omitempty"`
	// Validity is the window in which signatures by this identity were made. The time
	// must be proven by a transparency log or a timestamp authority of the trust root:
	// a signature without a proven time is outside every window.
	// +optional
	Validity *Validity `json:"validity,omitempty"`
}

// Validity is a window of signing times. Set an end for a key or person that is retired or was
// compromised: charts signed before it stay valid.
//
// +kubebuilder:validation:XValidation:rule="has(self.notBefore) || has(self.notAfter)",message="at least one of notBefore and notAfter must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.notBefore) || !has(self.notAfter) || self.notBefore < self.notAfter",message="notBefore must be before notAfter"
type Validity struct {
	// NotBefore is the first time at which a signature is accepted.
	// +optional
	NotBefore *Time `json:"notBefore,omitempty"`
	// NotAfter is the last time at which a signature is accepted.
	// +optional
	NotAfter *Time `json:"notAfter,omitempty"`
}

// Keyless describes a signing certificate. All given fields must match.
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
	// TransparencyLog says whether inclusion in a transparency log must be proven too. NotRequired
	// is for a Sigstore instance without a log, as GitHub's own for private repositories: a
	// timestamp (RFC 3161) by an authority of the trust root is then required instead, because
	// otherwise nothing proves when the certificate was used. Without a log, a certificate that was
	// issued to an attacker cannot be detected.
	// +kubebuilder:default=Required
	// +optional
	TransparencyLog TransparencyLog `json:"transparencyLog,omitempty"`
}

// TransparencyLog says whether signatures must be in a log.
//
// +kubebuilder:validation:Enum=Required;NotRequired
type TransparencyLog string

// The values of TransparencyLog.
const (
	TransparencyLogRequired    TransparencyLog = "Required"
	TransparencyLogNotRequired TransparencyLog = "NotRequired"
)

// Key says where a public key is: exactly one of pem, secretRef and kms.
//
// +kubebuilder:validation:XValidation:rule="[has(self.pem), has(self.secretRef), has(self.kms)].exists_one(x, x)",message="exactly one of pem, secretRef and kms must be set"
type Key struct {
	// PEM is the public key as a PEM block "PUBLIC KEY": ECDSA, Ed25519, or RSA of 2048 bits or
	// more. cosign writes it to cosign.pub. During a rotation there can be up to 8 blocks: a
	// signature by any of them is accepted.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	// +optional
	PEM string `json:"pem,omitempty"`
	// SecretRef is a Secret, in the namespace that chartgate is installed in, that
	// holds the PEM blocks.
	// +optional
	SecretRef *SecretKeyReference `json:"secretRef,omitempty"`
	// KMS is the key in a key management service, as cosign spells it: awskms://…,
	// gcpkms://…, azurekms://… or hashivault://…. chartgate reads the public key with
	// its own workload identity and never signs.
	// +kubebuilder:validation:Pattern=`^(awskms|gcpkms|azurekms|hashivault)://.+$`
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	KMS string `json:"kms,omitempty"`
	// TransparencyLog says whether inclusion in a transparency log must be proven too. Without it,
	// the time of a signature is not proven, and the use of a stolen key is not visible.
	// +kubebuilder:default=Required
	// +optional
	TransparencyLog TransparencyLog `json:"transparencyLog,omitempty"`
}

// SecretKeyReference names an item of a Secret.
type SecretKeyReference struct {
	// Name is the Secret's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Key is the item in the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:default=cosign.pub
	// +optional
	Key string `json:"key,omitempty"`
}

// TrustedIdentityList is a list of TrustedIdentities.
//
// +kubebuilder:object:root=true
type TrustedIdentityList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrustedIdentity `json:"items"`
}
