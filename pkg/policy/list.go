package policy

import (
	"cmp"
	gojson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
)

// IdentitiesKey is the key of the ConfigMap that holds the list of identities.
const IdentitiesKey = "identities.yaml"

// listName is how messages name the policy that the ConfigMap's entries form.
const listName = "the identities ConfigMap"

// list is the ConfigMap, compiled. Its entries form one policy for each chart:
// signed by any entry whose charts match. A nil list matches nothing.
type list struct {
	entries []listEntry
	broken  string // then the list denies every chart
}

type listEntry struct {
	charts []pattern
	identity
}

// listItem is an entry as it is written.
type listItem struct {
	Name      string             `json:"name"`
	Charts    []string           `json:"charts"`
	Keyless   *v1alpha1.Keyless  `json:"keyless,omitempty"`
	Key       *v1alpha1.Key      `json:"key,omitempty"`
	TrustRoot string             `json:"trustRoot,omitempty"`
	Validity  *v1alpha1.Validity `json:"validity,omitempty"`
}

// compileList reads the ConfigMap strictly: unknown and duplicate fields are
// errors. The list that comes back with an error denies every chart.
func compileList(text string, keys Keys) (*list, error) {
	items, err := parseList(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", IdentitiesKey, err)
		return &list{broken: err.Error()}, err
	}
	result := &list{}
	names := map[string]bool{}
	var errs []error
	for i, item := range items {
		entry, err := compileItem(item, keys)
		if err == nil && names[item.Name] {
			err = errors.New("the name is used twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: entry %d (%q): %w", IdentitiesKey, i, item.Name, err))
			continue
		}
		names[item.Name] = true
		result.entries = append(result.entries, entry)
	}
	if err := errors.Join(errs...); err != nil {
		return &list{broken: strings.ReplaceAll(err.Error(), "\n", "; ")}, err
	}
	return result, nil
}

// parseList uses the API server's JSON decoder: encoding/json takes "Charts" for
// "charts", and the last of them wins.
func parseList(text string) ([]listItem, error) {
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, err
	}
	var items []listItem
	strict, err := json.UnmarshalStrict(data, &items)
	if err != nil {
		return nil, inWords(err)
	}
	return items, errors.Join(strict...)
}

// inWords puts what Go's decoder says of a wrong value into words of YAML. It keeps other errors.
func inWords(err error) error {
	if wrong, ok := errors.AsType[*gojson.UnmarshalTypeError](err); ok {
		where := "the whole"
		if wrong.Field != "" {
			where = wrong.Field
		}
		want := "another type"
		switch wrong.Type.Kind() {
		case reflect.String:
			want = "a text, in quotes if it looks like a number or a truth value"
		case reflect.Bool:
			want = "true or false"
		case reflect.Slice:
			want = "a list"
		case reflect.Struct, reflect.Map:
			want = "a map of fields"
		}
		found := map[string]string{"object": "a map of fields", "array": "a list", "string": "a text", "bool": "a truth value"}
		kind, _, _ := strings.Cut(wrong.Value, " ")
		return fmt.Errorf("%s is %s, and must be %s", where, cmp.Or(found[kind], "a "+kind), want)
	}
	if wrong, ok := errors.AsType[*time.ParseError](err); ok {
		return fmt.Errorf("validity: notBefore or notAfter is %q, and must be a time such as \"2027-01-01T00:00:00Z\"", strings.Trim(wrong.Value, "\""))
	}
	return err
}

func compileItem(item listItem, keys Keys) (listEntry, error) {
	switch {
	case item.Name == "":
		return listEntry{}, errors.New("name is empty")
	case len(item.Charts) == 0:
		return listEntry{}, errors.New("charts is empty")
	}
	entry := listEntry{}
	for _, s := range item.Charts {
		p, err := parsePattern(s)
		if err != nil {
			return listEntry{}, fmt.Errorf("charts: %w", err)
		}
		entry.charts = append(entry.charts, p)
	}
	var err error
	entry.identity, err = compileIdentity(item.Name, v1alpha1.TrustedIdentitySpec{
		Keyless: item.Keyless, Key: item.Key, TrustRoot: item.TrustRoot, Validity: item.Validity,
	}, keys)
	return entry, err
}

func (l *list) policyFor(location chart.Location) *Policy {
	switch {
	case l == nil:
		return nil
	case l.broken != "":
		return &Policy{name: listName, broken: l.broken}
	}
	var anyOf []identity
	var matching []pattern
	for _, entry := range l.entries {
		for _, p := range entry.charts {
			if p.mayMatch(location) { // an entry wants a signature, so it denies what has none
				anyOf = append(anyOf, entry.identity)
				matching = append(matching, entry.charts...)
				break
			}
		}
	}
	if len(anyOf) == 0 {
		return nil
	}
	return &Policy{name: listName, charts: matching, require: []requirement{{anyOf: anyOf}}, pinning: chart.Version}
}

// all returns the entries, of which a nil list has none.
func (l *list) all() []listEntry {
	if l == nil {
		return nil
	}
	return l.entries
}

func (l *list) covers(location chart.Location) bool {
	if l == nil {
		return false
	}
	for _, entry := range l.entries {
		for _, p := range entry.charts {
			if p.covers(location) {
				return true
			}
		}
	}
	return false
}
