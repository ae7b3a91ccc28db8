package kms

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	vault "github.com/hashicorp/vault/api"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/kms/hashivault"

	"github.com/chartgate/chartgate/pkg/problem"
)

// maxVersions is the number of keys that one identity can have. Of a key with more versions, the
// newest are used.
const maxVersions = 8

// readVault uses Vault's client and not sigstore's, which returns the newest version only, so that
// a rotation in Vault would deny every chart signed before it, and does not stop with the context.
// The URI and the environment have the same meaning as for cosign.
func readVault(ctx context.Context, uri string) (string, error) {
	if err := hashivault.ValidReference(uri); err != nil {
		return "", malformed("hashivault://KEY", err)
	}
	client, err := vaultClient()
	if err != nil {
		return "", err
	}
	name := strings.TrimPrefix(uri, hashivault.ReferenceScheme)
	engine := cmp.Or(os.Getenv("TRANSIT_SECRET_ENGINE_PATH"), "transit")
	found, err := client.Logical().ReadWithContext(ctx, engine+"/keys/"+name)
	switch {
	case err != nil:
		return "", err
	case found == nil: // the client returns this for 404
		return "", errNoKey
	}
	return versions(found.Data)
}

func vaultClient() (*vault.Client, error) {
	// Without an address, the client would connect to localhost.
	if os.Getenv(vault.EnvVaultAddress) == "" {
		return nil, &problem.Error{Kind: problem.KindUnavailable, Detail: "VAULT_ADDR is not set in chartgate's environment"}
	}
	config := vault.DefaultConfig()
	if config.Error != nil {
		return nil, config.Error
	}
	client, err := vault.NewClient(config)
	if err != nil || client.Token() != "" {
		return client, err
	}
	token, err := tokenFile()
	if err != nil {
		return nil, &problem.Error{
			Kind: problem.KindUnauthorized, Detail: "chartgate has no Vault token: neither VAULT_TOKEN nor the file .vault-token in its home directory", Err: err,
		}
	}
	client.SetToken(token)
	return client, nil
}

// tokenFile returns the token that vault login or a Vault agent writes to ~/.vault-token.
func tokenFile() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	token, err := os.ReadFile(filepath.Join(home, ".vault-token"))
	if err != nil {
		return "", err
	}
	if text := strings.TrimSpace(string(token)); text != "" {
		return text, nil
	}
	return "", errors.New("the file is empty")
}

// versions returns the versions of a transit key that Vault accepts for verification: those from
// min_decryption_version on, as for POST /transit/verify.
func versions(data map[string]any) (string, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	var key struct {
		Keys    map[string]json.RawMessage `json:"keys"`
		Minimum int                        `json:"min_decryption_version"`
	}
	if err := json.Unmarshal(raw, &key); err != nil {
		return "", fmt.Errorf("read the key's versions: %w", err)
	}
	allowed := map[int]json.RawMessage{}
	for name, version := range key.Keys {
		number, err := strconv.Atoi(name)
		if err != nil {
			return "", fmt.Errorf("a version of the key is %q", name)
		}
		if number >= key.Minimum {
			allowed[number] = version
		}
	}
	if len(allowed) == 0 {
		return "", errNoKey
	}
	newestFirst := slices.Sorted(maps.Keys(allowed))
	slices.Reverse(newestFirst)
	var all strings.Builder
	for _, number := range newestFirst[:min(len(newestFirst), maxVersions)] {
		text, err := versionPEM(allowed[number])
		if err != nil {
			return "", fmt.Errorf("version %d: %w", number, err)
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// versionPEM encodes one version. A version of a symmetric key is a number.
func versionPEM(raw json.RawMessage) (string, error) {
	var version struct {
		Name      string `json:"name"`
		PublicKey string `json:"public_key"`
	}
	if err := json.Unmarshal(raw, &version); err != nil || version.PublicKey == "" {
		return "", &problem.Error{Kind: problem.KindUnsupported, Detail: "the key in Vault has no public key", Err: err}
	}
	if version.Name != hashivault.AlgorithmED25519 {
		key, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(version.PublicKey))
		return encode(key, err)
	}
	// Vault returns the raw bytes.
	key, err := base64.StdEncoding.DecodeString(version.PublicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return "", fmt.Errorf("%d bytes are no Ed25519 key: %w", len(key), cmp.Or(err, errors.New("wrong length")))
	}
	return encode(ed25519.PublicKey(key), nil)
}
