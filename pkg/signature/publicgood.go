package signature

import "github.com/sigstore/sigstore-go/pkg/tuf"

// PublicGood returns the TUF repository of Sigstore's public-good instance, and a root.json from which its newer ones can
// be followed.
func PublicGood() (mirror string, rootJSON []byte) { return tuf.DefaultMirror, tuf.DefaultRoot() }
