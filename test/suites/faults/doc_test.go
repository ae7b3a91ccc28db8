// Package faults_test breaks everything that a decision depends on, in every way in which it can break, and watches the
// real webhook over TLS: no fault admits, each has its reason, the answer comes within the API server's timeout, nothing
// is left behind, and no fault outlives itself.
//
// The registry is a real one in process and the API server one that knows a few objects, but they are reached by the
// product's own clients, so that what breaks is the network and not an interface.
package faults_test
