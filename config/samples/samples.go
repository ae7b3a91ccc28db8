// Package samples holds working manifests of every kind that chartgate deals with.
// cmd/chartgate-demo and the tests use the very files that people copy.
package samples

import "embed"

// FS returns the manifests, by the paths that they have in this folder.
func FS() embed.FS { return files }

//go:embed policies configmap flux argo denied
var files embed.FS
