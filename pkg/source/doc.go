// Package source sees charts in Flux and Argo CD objects. It turns a write (an
// object and, for an update, the object before it) into the uses of charts that
// the write makes newly deployable, and follows references to sibling objects
// (HelmRepository, OCIRepository, HelmChart) through a one-method Reader.
//
// It works in two steps. First, claims: the places of an object that name a chart,
// exactly as they are written, without any I/O. Claims that the old object had at
// the same place are dropped: such a write makes nothing newly deployable. Only
// then are the others resolved to uses. A write that changes no claim therefore
// costs no I/O, whatever else it changes.
package source
