package trust

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/signature"
)

// defaultTarget is the name of the target in Sigstore's repositories.
const defaultTarget = "trusted_root.json"

// targetName is the pattern of the CRD, for resources that no API server has validated.
var targetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)

// Check returns the mistakes in a TrustRoot, in texts for users.
func Check(obj v1alpha1.TrustRoot) field.ErrorList {
	spec := field.NewPath("spec")
	given := 0
	for _, is := range []bool{obj.Spec.TUF != nil, obj.Spec.TrustedRoot != "", obj.Spec.ConfigMapRef != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return fielderr.New(spec, "exactly one of tuf, trustedRoot and configMapRef must be set")
	case obj.Spec.TUF != nil:
		return checkTUF(spec.Child("tuf"), *obj.Spec.TUF)
	case obj.Spec.ConfigMapRef != nil:
		if obj.Spec.ConfigMapRef.Name == "" {
			return field.ErrorList{field.Required(spec.Child("configMapRef", "name"), "a ConfigMap must be named")}
		}
		return nil
	}
	if _, err := parse(obj.Spec.TrustedRoot); err != nil {
		return fielderr.New(spec.Child("trustedRoot"), err.Error())
	}
	return nil
}

func checkTUF(path *field.Path, spec v1alpha1.TUF) field.ErrorList {
	mirror, err := url.Parse(spec.Mirror)
	switch {
	case err != nil, mirror.Scheme != "https" && mirror.Scheme != "http", mirror.Hostname() == "":
		return fielderr.New(path.Child("mirror"), "is not a URL such as https://tuf.example.com")
	case mirror.User != nil, mirror.RawQuery != "", mirror.ForceQuery, mirror.Fragment != "":
		return fielderr.New(path.Child("mirror"), "must have no user, query or fragment")
	case !targetName.MatchString(repositoryOf(spec).target):
		return field.ErrorList{field.Invalid(path.Child("target"), spec.Target, "is not the name of a target")}
	}
	if versionOf([]byte(spec.Root)) == 0 {
		return fielderr.New(path.Child("root"), "is not TUF root metadata (root.json) that enough of its own keys signed")
	}
	return nil
}

// ItemOf returns the item of a ConfigMap's data that a reference names. Its error is written for
// users.
func ItemOf(data map[string]string, ref v1alpha1.ConfigMapKeyReference) (string, error) {
	text, ok := data[itemKey(ref)]
	if !ok {
		return "", fmt.Errorf("the ConfigMap %s has no key %s", ref.Name, itemKey(ref))
	}
	return text, nil
}

func itemKey(ref v1alpha1.ConfigMapKeyReference) string { return cmp.Or(ref.Key, defaultTarget) }

// errNoTrustedRoot leaves out the error of the parser, whose texts are not written for users.
var errNoTrustedRoot = errors.New("the content is not a trusted_root.json")

func parse(text string) (signature.Root, error) {
	root, err := signature.ParseRoot([]byte(text))
	if err != nil {
		return signature.Root{}, errNoTrustedRoot
	}
	return root, nil
}
