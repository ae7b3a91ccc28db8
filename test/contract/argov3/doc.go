// Package argov3 holds pkg/source to Argo CD 3, with its real types and clients. See
// package contract. It is Argo CD 3.2. What later versions add is known by reading: 3.5 takes the
// repository of a hydrated Application from spec.sourceHydrator.syncSource.repoURL, if it is set
// (SourceHydrator.GetSyncSource, v3.5.1); pkg/source reads it.
package argov3
