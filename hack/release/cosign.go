package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// cosign runs the real cosign. Whether it signs with a key or keyless is up to the flags and the environment that the caller
// of make gives it: SIGN="--key=cosign.key", or nothing for a certificate.
type cosign struct {
	program   string
	flags     []string
	plainHTTP bool
}

// sign signs content in a registry: for an image index, its images too.
func (c cosign) sign(ctx context.Context, what reference) error {
	return c.run(ctx, slices.Concat([]string{"sign", "--recursive"}, c.registryFlags(), []string{what.String()}))
}

// attest signs a statement about content in a registry.
func (c cosign) attest(ctx context.Context, what reference, predicateType, predicate string) error {
	return c.run(ctx, slices.Concat(
		[]string{"attest", "--type=" + predicateType, "--predicate=" + predicate}, c.registryFlags(), []string{what.String()}))
}

// signFile writes the signature of a file beside it, as FILE.sigstore.json.
func (c cosign) signFile(ctx context.Context, file string) error {
	return c.run(ctx, []string{"sign-blob", "--bundle=" + file + ".sigstore.json", file})
}

func (c cosign) registryFlags() []string {
	if c.plainHTTP {
		return []string{"--allow-http-registry"}
	}
	return nil
}

func (c cosign) run(ctx context.Context, args []string) error {
	all := slices.Concat(args[:1], []string{"--yes"}, c.flags, args[1:])
	cmd := exec.CommandContext(ctx, c.program, all...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		// Not all arguments: one of them can be a token.
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(c.program), strings.Join(args, " "), err, out)
	}
	fmt.Fprintf(os.Stderr, "signed: cosign %s %s\n", args[0], args[len(args)-1])
	return nil
}
