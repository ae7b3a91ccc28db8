package attacks_test

// The upstream code that rows cite beside CVEs and advisories, with the function to read there.
const (
	// Argo CD takes what it resumes from status.operationState, and the rest from operation.
	argoResumes = "argo-cd v2.14 controller/appcontroller.go, processRequestedAppOperation; controller/sync.go, SyncAppState"
	argoSources = "argo-cd v2.14 controller/sync.go, SyncAppState"
	// The manifests of an operation take the place of what the sources render to.
	argoManifests = "argo-cd v2.14 controller/state.go, CompareAppState, localManifests"
	// What an operation leaves open is resolved when it is rendered.
	argoResolves  = "argo-cd v2.14 controller/state.go, GetRepoObjs; reposerver/repository/repository.go, newHelmClientResolveRevision"
	argoRefreshes = "argo-cd v3.2 pkg/apis/application/v1alpha1/types.go, RetryStrategy.Refresh"
	argoRolls     = "argo-cd v3.2 applicationset/controllers/applicationset_controller.go, syncApplication"
	// The controller's own patch is repeated until it succeeds, and holds a worker meanwhile.
	argoRepeats    = "argo-cd v2.14 controller/appcontroller.go, setOperationState, RetryUntilSucceed"
	argoPatches    = "argo-cd v3.2 controller/appcontroller.go, setOperationState"
	argoWipes      = "argo-cd v3.2 util/argo/argo.go, SetAppOperation"
	argoCreates    = "argo-cd v2.14 server/application/application.go, Create"
	argoAppOfApps  = "https://argo-cd.readthedocs.io/en/stable/operator-manual/cluster-bootstrapping/"
	argoPatchChild = "argo-cd v3.2 server/application/application.go, PatchResource"
	argoTerminates = "argo-cd v2.14 server/application/application.go, TerminateOperation"
	argoRollsBack  = "argo-cd v2.14 server/application/application.go, Rollback"
	// Argo CD 3 tells OCI sources by the prefix oci://, which Argo CD 2 does not know.
	argoIsOCI    = "argo-cd v3.2 pkg/apis/application/v1alpha1/types.go, ApplicationSource.IsOCI and IsHelm"
	argoHydrates = "argo-cd v3.5.1 pkg/apis/application/v1alpha1/types.go, SourceHydrator.GetSyncSource; controller/sync.go, newSyncOperationResult"
	// Any content with a Chart.yaml in it is rendered as a chart.
	argoDiscovers = "argo-cd v2.14 reposerver/repository/repository.go, GetAppSourceType"

	// Everyone who may edit a namespace may write the status of Flux's objects.
	fluxEdit = "https://github.com/fluxcd/flux2/blob/main/manifests/rbac/edit.yaml"
	// The chart is taken from the source's artifact as it is stored at that moment.
	fluxReleases = "helm-controller v1.6.4 internal/controller/helmrelease_controller.go, reconcileRelease"
	fluxSources  = "helm-controller v1.6.4 internal/controller/helmrelease_controller.go, getSource"
	fluxRefs     = "helm-controller v1.6.4 internal/controller/helmrelease_controller.go, getSourceFromOCIRef"
	fluxExternal = "helm-controller v1.6.4 internal/controller/helmrelease_controller.go, getSourceFromExternalArtifact"
	fluxResumes  = "helm-controller v1.6.4 internal/controller/helmrelease_controller.go, Reconcile, spec.suspend"
	fluxActs     = "helm-controller v1.6.4 internal/reconcile/atomic_release.go, Reconcile"
	fluxHistory  = "helm-controller v1.6.4 internal/reconcile/atomic_release.go, actionForState"
	// A chart that is repackaged gets an archive that no manifest names.
	fluxRepackages = "source-controller v1.9.0 internal/controller/helmchart_controller.go, buildFromHelmRepository"
	// A chart in Git or a bucket is built from the source's artifact, whatever URL the source has by then.
	fluxBuilds  = "source-controller v1.9.0 internal/controller/helmchart_controller.go, buildFromTarballArtifact"
	fluxInclude = "source-controller v1.9.0 internal/controller/gitrepository_controller.go, reconcileInclude"
	fluxGoogle  = "source-controller v1.9.0 internal/bucket/gcp/gcp.go, NewClient"
	gitProxies  = "source-controller v1.9.0 internal/controller/gitrepository_controller.go, reconcileSource, spec.proxySecretRef"
	gitPulls    = "https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/reviewing-changes-in-pull-requests/checking-out-pull-requests-locally"
	// Parsers of URLs disagree on where the host is.
	urlHosts = "https://www.blackhat.com/docs/us-17/thursday/us-17-Tsai-A-New-Era-Of-SSRF-Exploiting-URL-Parser-In-Trending-Programming-Languages.pdf"
	// A layer is extracted without being read to its end, whatever kind of artifact it is of.
	fluxLayers = "source-controller v1.9.0 internal/controller/ocirepository_controller.go, selectLayer"
	// Artifacts of v1beta1 had a checksum instead of a digest.
	fluxChecksum = "source-controller/api v1.6.2 v1beta1/artifact_types.go, Artifact.Checksum"

	// One rule on the newest version alone misses the others without matchPolicy: Equivalent.
	kubeVersions = "https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchpolicy"
	kubeDryRun   = "https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run"
	kubeNames    = "https://kubernetes.io/docs/reference/using-api/api-concepts/#generated-values"

	// The digest in a legacy payload is compared by a ClaimVerifier only.
	cosignClaims = "cosign v2.6.5 pkg/cosign/verify.go, verifyInternal; pkg/cosign/verifiers.go, SimpleClaimVerifier"
	// Without identities every certificate passes; expressions are not anchored.
	cosignIdentities = "cosign v2.6.5 pkg/cosign/verify.go, CheckCertificatePolicy"
	// Every referrer is read, and decompressed, whatever its number and size.
	cosignReferrers  = "cosign v2.6.5 pkg/cosign/verify.go, GetBundles"
	cosignDecompress = "cosign v2.6.5 pkg/oci/remote/signatures.go, Bundle"
	// If there is a bundle, cosign does not read legacy signatures.
	cosignFormats    = "cosign v3.1.3 cmd/cosign/cli/verify/verify.go, NewBundleFormat"
	cosignPredicates = "GHSA-w6c6-c85g-mmv6"

	// Kyverno keeps its verdict in an annotation of the object.
	kyvernoImages = "https://kyverno.io/docs/policy-types/cluster-policy/verify-images/"

	helmPull = "helm v3.22 pkg/registry/client.go, Client.Pull"
	// The content that was verified is not the content that is used.
	checkThenUse = "CWE-367"
)
