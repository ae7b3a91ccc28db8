// Package credentials finds how a consumer of charts reaches a registry, so that
// chartgate sees what the consumer will see: the login, the CAs, the client
// certificate and the proxy that Flux's sources and Argo CD's repository Secrets name.
//
// Everything is read live from the API server, by name and from the referring object's
// own namespace (Flux) or from Argo CD's (repository Secrets). Nothing of it is kept.
// What is kept are tokens of chartgate's own cloud identity, until they expire.
//
// A login is sent to the host that it belongs to and to no other: a Docker
// configuration is asked for the host, a repository Secret must be about it, and a
// cloud's token goes to hosts of that cloud only.
//
// # What a project-scoped Secret of Argo CD may not do
//
// Whoever may create repositories in an Argo CD project writes the Secrets of that
// project, through Argo CD's own API, and they are not the people whom policies trust.
// Some fields of such a Secret let its author choose what Argo CD pulls, and where Argo
// CD pulls by version instead of by digest (Helm-OCI sources), chartgate would verify
// one chart and Argo CD deploy another. So these are denied:
//
//   - url: Argo CD compares it with the Application's repoURL loosely (case, spaces, a
//     ".git" at the end, "ssh://" in front) and then pulls from the Secret's, not from
//     the Application's. The two must be written alike.
//   - insecure, insecureOCIForceHttp: without TLS, whoever is on the way may answer. They
//     are denied in every Secret, unless the admin named the host with --plain-http.
//   - proxy: a proxy of the author's choice is on the way. With TLS it can only refuse,
//     but insecure is one write away, after the verdict. It is denied for Helm-OCI
//     sources unless the Secret belongs to no project; a native source is deployed by
//     digest, which no proxy can forge.
//
// A Secret that is changed between the verdict and the pull is not held by this, only
// by Argo CD's RBAC, or by native sources.
package credentials
