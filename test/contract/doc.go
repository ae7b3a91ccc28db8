// Package contract holds pkg/source to what Argo CD does: every chart that Argo CD
// would fetch for an Application must be a use at the same place, with the same
// reference, or be denied; and what it fetches with git must not pass for a chart.
//
// The package knows chartgate and nothing of Argo CD. The modules argov2 and argov3
// beside it bring Argo CD's real types, methods and clients, as an Argo, and call
// Run. They are modules of their own because Argo CD needs older Kubernetes libraries
// than chartgate, and replaces for them; they compile pkg/source against those.
//
// Where Argo CD's code can be called, it is called. Where it cannot (the application
// controller does not build in reasonable time), argov2 and argov3 transcribe it, and
// Argo.Transcribed names the functions, so that a version of Argo CD in which one of
// them changed fails here until somebody has read it again.
package contract
