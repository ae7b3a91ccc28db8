package policy

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// KeySource is where a public key is that a policy does not spell out: an item of a
// Secret in chartgate's own namespace, or a key in a KMS.
type KeySource struct {
	Secret, Item string
	KMS          string
}

// String names the source for people.
func (s KeySource) String() string {
	if s.KMS != "" {
		return s.KMS
	}
	return fmt.Sprintf("Secret %s, key %s", s.Secret, s.Item)
}

// defaultKeyItem is what cosign generate-key-pair k8s:// calls it.
const defaultKeyItem = "cosign.pub"

// KeyContent is what was found at a KeySource: PEM blocks, or why there are none. The
// text of Err is shown to the platform team.
type KeyContent struct {
	PEM string
	Err error
}

// Keys are the contents of all KeySources of an Input. Nil is for a check of what is
// written, where nothing has been looked up.
type Keys map[KeySource]KeyContent

// sourceOf returns where the key is that a spec does not spell out.
func sourceOf(spec v1alpha1.Key) (KeySource, bool) {
	switch {
	case spec.SecretRef != nil:
		return KeySource{Secret: spec.SecretRef.Name, Item: cmp.Or(spec.SecretRef.Key, defaultKeyItem)}, true
	case spec.KMS != "":
		return KeySource{KMS: spec.KMS}, true
	default:
		return KeySource{}, false
	}
}

// KeySources returns what Compile wants to find in in.Keys.
func KeySources(in Input) []KeySource {
	var sources []KeySource
	add := func(spec *v1alpha1.Key) {
		if spec == nil {
			return
		}
		if source, is := sourceOf(*spec); is {
			sources = append(sources, source)
		}
	}
	for _, obj := range in.Identities {
		add(obj.Spec.Key)
	}
	if in.ConfigMap != nil {
		items, _ := parseList(*in.ConfigMap) // Compile reports what is wrong with it
		for _, item := range items {
			add(item.Key)
		}
	}
	return sources
}

// of returns the keys that a spec means. Where nothing was looked up, those in a Secret
// or KMS are none, and no error.
func (k Keys) of(spec v1alpha1.Key) ([]evidence.PublicKey, error) {
	given := 0
	for _, is := range []bool{spec.PEM != "", spec.SecretRef != nil, spec.KMS != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, errors.New("exactly one of key.pem, key.secretRef and key.kms must be set")
	}
	source, elsewhere := sourceOf(spec)
	switch content, known := k[source]; {
	case !elsewhere:
		keys, err := evidence.ParsePublicKeys(spec.PEM)
		if err != nil {
			return nil, fmt.Errorf("key.pem: %w", err)
		}
		return keys, nil
	case k == nil:
		return nil, source.check()
	case !known:
		return nil, fmt.Errorf("%s has not been read", source)
	case content.Err != nil:
		return nil, fmt.Errorf("%s: %w", source, content.Err)
	default:
		keys, err := evidence.ParsePublicKeys(content.PEM)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		return keys, nil
	}
}

// check returns what is wrong with a source as it is written.
func (s KeySource) check() error {
	if s.KMS == "" && s.Secret == "" {
		return errors.New("key.secretRef.name is empty")
	}
	return nil
}
