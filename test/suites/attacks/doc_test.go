// Package attacks_test is the attack corpus: one table a family, one row an attack, each with what the attacker does and
// the denial that is expected. README.md says which check each row would miss.
//
// Signatures and registries are attacked in process, through the real gate, registry client and verifier. Objects are
// attacked through a real kube-apiserver with the webhook configuration of charts/chartgate and the real binary. Rows
// with the word "control" show that the neighbour of an attack is still admitted.
package attacks_test
