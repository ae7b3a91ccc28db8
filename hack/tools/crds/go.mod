// The modules below are required for the CRDs in their zips only; nothing is imported from them,
// so `go mod tidy` would drop them: change a version with `go mod edit -require` and `go mod download`.
module github.com/chartgate/chartgate/hack/tools/crds

go 1.26.0

require (
	github.com/argoproj/argo-cd/v2 v2.14.21
	github.com/fluxcd/helm-controller v1.6.4
	github.com/fluxcd/source-controller v1.9.0
)
