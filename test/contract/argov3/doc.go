// Package argov3 holds pkg/source to Argo CD 3, with its real types and clients. See
// package contract.
package argov3
