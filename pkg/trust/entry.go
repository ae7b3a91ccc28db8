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

// entry is one trust root: a fixed one, one that cannot be used as it is written, or one that follows a TUF repository.
type entry struct {
	generation int64
	root       signature.Root
	source     *source
	// invalid is what is wrong with it, for people.
	invalid error
	// missing is set where invalid is not about what is written in the TrustRoot.
	missing bool
}

// newEntry makes an entry; a source that follows the same repository as before goes on.
func (r *Roots) newEntry(item Item, before *entry) *entry {
	obj := item.Object
	e := &entry{generation: obj.Generation}
	if errs := Check(obj); len(errs) > 0 {
		e.invalid = fielderr.Join(errs)
		return e
	}
	switch {
	case obj.Spec.TUF != nil:
		where := repositoryOf(*obj.Spec.TUF)
		if before != nil && before.source != nil && before.source.where.equal(where) {
			e.source = before.source
			break
		}
		e.source = r.newSource(obj.Name, "the TrustRoot "+obj.Name, where)
	case obj.Spec.ConfigMapRef == nil:
		e.root, e.invalid = parse(obj.Spec.TrustedRoot)
	case item.Err != nil:
		e.invalid, e.missing = item.Err, true
	default:
		ref := obj.Spec.ConfigMapRef
		if e.root, e.invalid = parse(item.Content); e.invalid != nil {
			e.invalid, e.missing = fmt.Errorf("ConfigMap %s, key %s: %w", ref.Name, itemKey(*ref), e.invalid), true
		}
	}
	return e
}

// ItemOf returns the item of a ConfigMap's data that a reference names. Its error is in words for people.
func ItemOf(data map[string]string, ref v1alpha1.ConfigMapKeyReference) (string, error) {
	text, ok := data[itemKey(ref)]
	if !ok {
		return "", fmt.Errorf("the ConfigMap %s has no key %s", ref.Name, itemKey(ref))
	}
	return text, nil
}

func itemKey(ref v1alpha1.ConfigMapKeyReference) string { return cmp.Or(ref.Key, defaultTarget) }

// errNoTrustedRoot leaves out what the parser says: its texts are not for people.
var errNoTrustedRoot = errors.New("the content is not a trusted_root.json")

func parse(text string) (signature.Root, error) {
	root, err := signature.ParseRoot([]byte(text))
	if err != nil {
		return signature.Root{}, errNoTrustedRoot
	}
	return root, nil
}

// defaultTarget is what Sigstore calls it.
const defaultTarget = "trusted_root.json"

// targetName is the CRD's pattern: files have been validated by no API server.
var targetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)

// Check returns what is wrong with a TrustRoot as it is written, in words for people.
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
