// Timestamp-server runs Sigstore's timestamp authority on 127.0.0.1, with a key and certificates
// that it makes itself.
//
// The authority's own command serves metrics as well, always on port 2112 of every address, and
// ends where that port is taken: so no two of them could run on one machine, nor one beside
// anything else there.
package main

import (
	"flag"
	"log"
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

func main() {
	port := flag.Int("port", 0, "where to listen on 127.0.0.1")
	flag.Parse()
	// The defaults of the authority's own command.
	for name, value := range map[string]any{
		"timestamp-signer":      "memory",
		"timestamp-signer-hash": "sha256",
		"default-policy-oid":    "1.3.6.1.4.1.57264.2",
		"accepted-policy-oids":  []string{"1.3.6.1.4.1.57264.2"},
		"max-request-body-size": 1 << 20,
	} {
		viper.Set(name, value)
	}
	authority := server.NewRestAPIServer("127.0.0.1", *port, []string{"http"}, false, 30*time.Second, 30*time.Second)
	if err := authority.Serve(); err != nil {
		log.Fatal(err)
	}
}
