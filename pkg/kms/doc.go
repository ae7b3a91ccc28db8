// Package kms reads public keys from key management services: the only importer of their
// clients. It never asks one to sign, to verify or to decrypt.
package kms
