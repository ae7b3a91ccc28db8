// Package integration_test shows the gate at work on real input: a real kube-apiserver sends real AdmissionReviews of
// Flux's and Argo CD's objects to the real binary, with the manifests that helm renders from charts/chartgate; charts are
// pushed by the real helm, and signed by the real cosign 2 and 3 (keys) or by test/sigstore (keyless).
//
// Rows name registries that do not exist: ghcr.io is a registry on 127.0.0.1 with the referrers API, quay.io one without
// it, and down.example a port on which nobody listens. Messages are translated back before they are compared.
package e2e_test
