package policy

import (
	"cmp"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fielderr"
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

// KeyContent is what was found at a KeySource: PEM blocks, or the reason why they are missing. The
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
		items, _ := parseList(field.NewPath("data"), *in.ConfigMap) // Compile reports what is wrong with it
		for _, item := range items {
			add(item.Key)
		}
	}
	return sources
}

// of returns the keys that the spec at path means. In a check of what is written, where nothing was
// looked up, a key in a Secret or KMS is no key and no error.
func (k Keys) of(path *field.Path, spec v1alpha1.Key) ([]evidence.PublicKey, field.ErrorList) {
	given := 0
	for _, is := range []bool{spec.PEM != "", spec.SecretRef != nil, spec.KMS != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, fielderr.New(path, "exactly one of pem, secretRef and kms must be set")
	}
	source, elsewhere := sourceOf(spec)
	if !elsewhere {
		keys, err := evidence.ParsePublicKeys(spec.PEM)
		if err != nil { // the text is not repeated: it may be a private key
			return nil, fielderr.New(path.Child("pem"), err.Error())
		}
		return keys, nil
	}
	if source.KMS == "" {
		path = path.Child("secretRef")
	} else {
		path = path.Child("kms")
	}
	if k == nil {
		return nil, source.check(path)
	}
	keys, err := k.parse(source)
	if err != nil {
		return nil, fielderr.New(path, fmt.Sprintf("%s: %v", source, err))
	}
	return keys, nil
}

// parse returns the keys that were found at a source.
func (k Keys) parse(source KeySource) ([]evidence.PublicKey, error) {
	switch content, known := k[source]; {
	case !known:
		return nil, errors.New("it has not been read")
	case content.Err != nil:
		return nil, content.Err
	default:
		return evidence.ParsePublicKeys(content.PEM)
	}
}

// check returns what is wrong with a source as it is written at path.
func (s KeySource) check(path *field.Path) field.ErrorList {
	if s.KMS == "" && s.Secret == "" {
		return field.ErrorList{field.Required(path.Child("name"), "a Secret must be named")}
	}
	return nil
}
