// Package signature turns untrusted signature material and a trust root into evidence of who signed what. It is the
// only importer of cosign and sigstore: sigstore-go verifies bundles and cosign/v2 the forms of cosign 2, this package
// gives them material that was parsed within limits and asks the questions that they leave open.
//
// Signatures and attestations come in two forms each, sigstore bundles and what cosign 2 wrote. Each trust root that is
// wanted proves by itself, so evidence never mixes what two of them vouch for.
//
// It fetches nothing: transparency log entries, certificate timestamps and signing times are proven offline, from the
// material itself.
//
// The claims of a keyless signer are the extensions of its Fulcio certificate, under sigstore-go's names: issuer,
// githubWorkflowTrigger, githubWorkflowSHA, githubWorkflowName, githubWorkflowRepository, githubWorkflowRef,
// buildSignerURI, buildSignerDigest, runnerEnvironment, sourceRepositoryURI, sourceRepositoryDigest,
// sourceRepositoryRef, sourceRepositoryIdentifier, sourceRepositoryOwnerURI, sourceRepositoryOwnerIdentifier,
// buildConfigURI, buildConfigDigest, buildTrigger, runInvocationURI, sourceRepositoryVisibilityAtSigning.
// Those that a certificate does not carry are absent.
package signature
