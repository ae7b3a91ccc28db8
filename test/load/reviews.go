package main

import "fmt"

// application is an Application of Argo CD with a status.
const application = `{"apiVersion":"argoproj.io/v1alpha1","kind":"Application","metadata":{"namespace":"argocd","name":"podinfo"},` +
	`"spec":{"project":"default","destination":{"server":"https://kubernetes.default.svc","namespace":"apps"},"source":%s},` +
	`"status":{"reconciledAt":%q,"sync":{"status":"Synced"},"health":{"status":"Healthy"}}}`

// byTag and byDigest are sources of Applications.
func byTag(host string, chart int) string {
	return fmt.Sprintf(`{"repoURL":"%s/load","chart":"chart-%d","targetRevision":"1.0.0"}`, host, chart)
}

func byDigest(host string, chart int, digest string) string {
	return fmt.Sprintf(`{"repoURL":"oci://%s/%s","targetRevision":%q}`, host, repository(chart), digest)
}

const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":%q,` +
	`"kind":{"group":"argoproj.io","version":"v1alpha1","kind":"Application"},` +
	`"resource":{"group":"argoproj.io","version":"v1alpha1","resource":"applications"},` +
	`"namespace":%q,"name":"podinfo","userInfo":{"username":"developer"},"object":%s,"oldObject":%s}}`

// created is the review of a new Application.
func created(source string) []byte { return createdIn("argocd", source) }

// createdIn is the review of a new Application in a namespace.
func createdIn(namespace, source string) []byte {
	return fmt.Appendf(nil, review, "CREATE", namespace, fmt.Sprintf(application, source, ""), "null")
}

// updated is the review of an Application whose status changes, as Argo CD writes it all day.
func updated(source string) []byte {
	return fmt.Appendf(nil, review, "UPDATE", "argocd",
		fmt.Sprintf(application, source, "2026-11-20T12:00:03Z"), fmt.Sprintf(application, source, "2026-11-20T12:00:00Z"))
}
