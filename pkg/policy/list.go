package policy

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/problem"
)

// IdentitiesKey is the key of the ConfigMap that holds the list of identities.
const IdentitiesKey = "identities.yaml"

// listName is how messages name the policy that the ConfigMap's entries form.
const listName = "the identities ConfigMap"

// list is the ConfigMap, compiled. Its entries form one policy for each chart:
// signed by any entry whose charts match. A nil list matches nothing.
type list struct {
	name    string // of the ConfigMap
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
func (k Keys) compileList(text string) (*list, field.ErrorList) {
	path := field.NewPath("data").Key(IdentitiesKey)
	items, errs := parseList(path, text)
	result := &list{}
	names := map[string]bool{}
	for i, item := range items {
		entry, wrong := k.compileItem(path.Index(i), item)
		if len(wrong) == 0 && names[item.Name] {
			wrong = field.ErrorList{field.Duplicate(path.Index(i).Child("name"), item.Name)}
		}
		errs = append(errs, wrong...)
		names[item.Name] = true
		result.entries = append(result.entries, entry)
	}
	if len(errs) > 0 {
		return &list{broken: byEntry(path, items, errs)}, errs
	}
	return result, nil
}

// byEntry says what is wrong with each entry, by its name: an author may not count them.
func byEntry(path *field.Path, items []listItem, errs field.ErrorList) string {
	texts := make([]string, 0, len(errs))
	for _, err := range errs {
		text := fielderr.Line(err)
		for i, item := range items {
			if strings.HasPrefix(err.Field, path.Index(i).String()) && item.Name != "" {
				text = "entry " + problem.QuoteInput(item.Name) + ": " + text
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// parseList uses the API server's JSON decoder: encoding/json takes "Charts" for
// "charts", and the last of them wins. With an error there are no items.
func parseList(path *field.Path, text string) ([]listItem, field.ErrorList) {
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, fielderr.New(path, "is not YAML: "+yamlText(err))
	}
	var items []listItem
	if errs := fielderr.Decode(path, data, &items); len(errs) > 0 {
		return nil, errs
	}
	return items, nil
}

// yamlText is what a YAML decoder says of a text, without the decoder's own name.
func yamlText(err error) string {
	text := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	text = strings.TrimPrefix(text, "yaml: ")
	return strings.Join(strings.Fields(strings.TrimPrefix(text, "unmarshal errors:")), " ")
}

func (k Keys) compileItem(path *field.Path, item listItem) (listEntry, field.ErrorList) {
	var errs field.ErrorList
	if item.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), "each entry needs a name"))
	}
	if len(item.Charts) == 0 {
		errs = append(errs, field.Required(path.Child("charts"), "at least one pattern must be set"))
	}
	charts, wrong := compilePatterns(path.Child("charts"), item.Charts)
	errs = append(errs, wrong...)
	for i, text := range item.Charts {
		if scheme, _, _ := strings.Cut(text, "://"); scheme == chart.SchemeGit || scheme == chart.SchemeBucket {
			errs = append(errs, field.Invalid(path.Child("charts").Index(i), text,
				"an identity requires a signature, which a chart in a Git repository or a bucket cannot carry; name it in a ChartPolicy with allowUnverified"))
		}
	}
	compiled, wrong := k.compileIdentity(path, item.Name, v1alpha1.TrustedIdentitySpec{
		Keyless: item.Keyless, Key: item.Key, TrustRoot: item.TrustRoot, Validity: item.Validity,
	})
	return listEntry{charts: charts, identity: compiled}, append(errs, wrong...)
}

func (l *list) policyFor(location chart.Location) *Policy {
	switch {
	case l == nil:
		return nil
	case l.broken != "":
		return &Policy{name: listName, configMap: l.name, broken: l.broken}
	}
	var anyOf []identity
	var matching []pattern
	for _, entry := range l.entries {
		for _, p := range entry.charts {
			if p.mayMatch(location) { // an entry requires a signature, so it denies charts without one
				anyOf = append(anyOf, entry.identity)
				matching = append(matching, entry.charts...)
				break
			}
		}
	}
	if len(anyOf) == 0 {
		return nil
	}
	return &Policy{name: listName, configMap: l.name, charts: matching, require: []requirement{{anyOf: anyOf}}, pinning: chart.Version}
}

// all returns the entries; a nil list is empty.
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
