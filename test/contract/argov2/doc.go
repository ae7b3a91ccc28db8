// Package argov2 holds pkg/source to Argo CD 2, with its real types and clients. See
// package contract.
package argov2
