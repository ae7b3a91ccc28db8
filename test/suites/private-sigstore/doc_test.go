// Package keyless_test signs charts as the users of a private Sigstore do, with the real cosign, Fulcio, Rekor v2 and
// timestamp authority on 127.0.0.1, and asks chartgate about them: on the command line, with policies and a
// trusted_root.json as files, and through a real API server. Most signatures are keyless; some are made with a key, and
// logged and timestamped all the same.
package privatesigstore_test
