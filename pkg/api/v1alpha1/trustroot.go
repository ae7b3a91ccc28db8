package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TrustRoot is a Sigstore instance: the certificate authorities, transparency logs and timestamp
// authorities that prove signatures. The TrustRoot "default" is for identities that do not name
// one.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=tr,categories=chartgate
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Version",type=integer,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expires`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TrustRoot struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the source of the trust root.
	// +required
	Spec TrustRootSpec `json:"spec"`
	// Status says whether it can be used. If it cannot, signatures that need it are denied.
	// +optional
	Status TrustRootStatus `json:"status,omitempty"`
}

// TrustRootSpec is exactly one of tuf, trustedRoot and configMapRef.
//
// +kubebuilder:validation:XValidation:rule="[has(self.tuf), has(self.trustedRoot), has(self.configMapRef)].exists_one(x, x)",message="exactly one of tuf, trustedRoot and configMapRef must be set"
type TrustRootSpec struct {
	// TUF is a repository of The Update Framework that publishes the trust root.
	// chartgate follows its rotations.
	// +optional
	TUF *TUF `json:"tuf,omitempty"`
	// TrustedRoot is the content of a trusted_root.json.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=524288
	// +optional
	TrustedRoot string `json:"trustedRoot,omitempty"`
	// ConfigMapRef is a ConfigMap, in the namespace that chartgate is installed in, that
	// holds a trusted_root.json.
	// +optional
	ConfigMapRef *ConfigMapKeyReference `json:"configMapRef,omitempty"`
}

// TUF is a TUF repository.
type TUF struct {
	// Mirror is the repository's URL. Its content is verified with root, so plain HTTP is safe, but
	// not confidential.
	// +kubebuilder:validation:Pattern=`^https?://[^?#@]+$`
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Mirror string `json:"mirror"`
	// Root is the content of a root.json of the repository that you trust, of any version:
	// chartgate follows newer versions from it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=262144
	// +required
	Root string `json:"root"`
	// Target is the name of the trust root in the repository.
	// +kubebuilder:default=trusted_root.json
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Target string `json:"target,omitempty"`
}

// ConfigMapKeyReference names an item of a ConfigMap.
type ConfigMapKeyReference struct {
	// Name is the ConfigMap's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Key is the item in the ConfigMap.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:default=trusted_root.json
	// +optional
	Key string `json:"key,omitempty"`
}

// TrustRootStatus is chartgate's report on a TrustRoot.
type TrustRootStatus struct {
	Status `json:",inline"`
	// Version is the version of the TUF repository's root metadata.
	// +optional
	Version int64 `json:"version,omitempty"`
	// Expires is when the TUF repository's metadata expires, unless it is refreshed.
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`
	// Refreshed is when the trust root was last fetched.
	// +optional
	Refreshed *metav1.Time `json:"refreshed,omitempty"`
	// Digest is the SHA-256 of the trusted_root.json in use.
	// +optional
	Digest string `json:"digest,omitempty"`
}

// TrustRootList is a list of TrustRoots.
//
// +kubebuilder:object:root=true
type TrustRootList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrustRoot `json:"items"`
}
