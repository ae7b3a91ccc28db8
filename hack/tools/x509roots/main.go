// Command x509roots prints the certificate authorities that Mozilla trusts for TLS, in PEM. It takes them from
// golang.org/x/crypto/x509roots/fallback, so go.sum says which ones they are.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "x509roots:", err)
		os.Exit(1)
	}
}

func write() error {
	version, err := bundleVersion()
	if err != nil {
		return err
	}
	fmt.Printf("# %s %s\n", module, version)
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return err
		}
		// Mozilla trusts such a root only for some certificates, such as those issued before a day. A file in PEM cannot
		// say that, and without the constraint the root would be trusted for all of them.
		if root.Constraint != nil {
			fmt.Printf("# left out, because it is trusted with a constraint only: %s\n", certificate.Subject)
			continue
		}
		fmt.Printf("# %s\n", certificate.Subject)
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return err
		}
	}
	return nil
}

const module = "golang.org/x/crypto/x509roots/fallback"

func bundleVersion() (string, error) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				return dependency.Version, nil
			}
		}
	}
	return "", fmt.Errorf("this program does not know the version of %s that is in it", module)
}
