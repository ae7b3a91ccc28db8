package harness

import "strings"

// The users that write. Service accounts are those of the controllers' own installations.
const (
	Admin            = "" // system:masters
	Editor           = "jane"
	SourceController = "system:serviceaccount:flux-system:source-controller"
	HelmController   = "system:serviceaccount:flux-system:helm-controller"
	ArgoController   = "system:serviceaccount:argocd:argocd-application-controller"
	ArgoServer       = "system:serviceaccount:argocd:argocd-server"
)

// FluxEdit is the ClusterRole of the same name that Flux itself installs. It aggregates to edit and
// admin, so everyone who edits a namespace has it:
// https://github.com/fluxcd/flux2/blob/main/manifests/rbac/edit.yaml
const FluxEdit = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: flux-edit}
rules:
- apiGroups: [notification.toolkit.fluxcd.io, source.toolkit.fluxcd.io, source.extensions.fluxcd.io, helm.toolkit.fluxcd.io, image.toolkit.fluxcd.io, kustomize.toolkit.fluxcd.io]
  resources: ["*"]
  verbs: [create, delete, deletecollection, patch, update]
---
`

// groupsOf are those that the API server itself would give the user.
func groupsOf(user string) []string {
	groups := []string{"system:authenticated"}
	if parts := strings.Split(user, ":"); len(parts) == 4 && parts[1] == "serviceaccount" {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	}
	return groups
}
