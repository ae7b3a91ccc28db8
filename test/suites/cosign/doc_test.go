// Package cosign_test signs and attests with the command lines of cosign 2 and 3, with every kind of key and predicate that
// they take, and reads it all with chartgate's own registry client and verifier. `make tools` makes the programs.
package cosign_test
