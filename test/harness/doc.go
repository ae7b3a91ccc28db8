// Package harness holds what several suites need: a cluster with chartgate in it (Site), what is
// shared by the tests of a suite (Shared), how a row's YAML is written and read, what the API
// server answers to a write (Answer), and how long a test waits (Eventually).
//
// Things in memory are in test/fixtures; real programs are started by test/env.
package harness
