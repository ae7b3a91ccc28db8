// Command spdx checks an SPDX document in JSON with the SPDX project's own library.
package main

import (
	"fmt"
	"os"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: spdx FILE")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "spdx:", err)
		os.Exit(1)
	}
}

func check(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	document, err := json.Read(file)
	if err != nil {
		return err
	}
	// The library reads older versions too, and converts them.
	if document.SPDXVersion != spdx.Version || document.DataLicense != spdx.DataLicense {
		return fmt.Errorf("the document is of version %s with license %s", document.SPDXVersion, document.DataLicense)
	}
	if err := spdxlib.ValidateDocument(document); err != nil {
		return err
	}
	described, err := spdxlib.GetDescribedPackageIDs(document)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d packages, %d relationships, describes %v\n", document.SPDXVersion, len(document.Packages), len(document.Relationships), described)
	return nil
}
