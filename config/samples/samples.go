// Package samples holds working manifests of every kind that chartgate handles.
// cmd/chartgate-demo and the tests use the same files that users copy.
package samples

import "embed"

// FS returns the manifests, by their paths in this folder.
func FS() embed.FS { return files }

//go:embed policies configmap flux argo denied
var files embed.FS
