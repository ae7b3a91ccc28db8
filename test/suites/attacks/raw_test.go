package attacks_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestRawBodies: bodies that no honest tool writes, sent as they are. What chartgate sees must be what is stored.
func TestRawBodies(t *testing.T) {
	w := theSite(t)
	const (
		signed   = `"chart":"podinfo","version":"1.0.0","sourceRef":{"kind":"HelmRepository","name":"acme"}`
		unsigned = `"chart":"unsigned","version":"1.0.0","sourceRef":{"kind":"HelmRepository","name":"acme"}`
	)
	body := func(spec string) string {
		return `{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease","metadata":{"name":"app","namespace":"apps"},` + spec + `}`
	}
	for _, r := range []struct{ sentence, body, want string }{
		{"a field twice, the unsigned one last", body(`"spec":{"interval":"10m","chart":{"spec":{"chart":"podinfo",` + unsigned + `}}}`), "SignatureMissing"},
		{"spec twice, the unsigned one last", body(`"spec":{"interval":"10m","chart":{"spec":{` + signed + `}}},"spec":{"interval":"10m","chart":{"spec":{` + unsigned + `}}}`), "SignatureMissing"},
		{"spec twice, the unsigned one first, which is not stored", body(`"spec":{"interval":"10m","chart":{"spec":{` + unsigned + `}}},"spec":{"interval":"10m","chart":{"spec":{` + signed + `}}}`), admitted},
		{"a signed Spec beside an unsigned spec", body(`"spec":{"interval":"10m","chart":{"spec":{` + unsigned + `}}},"Spec":{"interval":"10m","chart":{"spec":{` + signed + `}}}`), "SignatureMissing"},
		{"a suspended SUSPEND", body(`"spec":{"interval":"10m","SUSPEND":true,"Suspend":true,"chart":{"spec":{` + unsigned + `}}}`), "SignatureMissing"},
		{"a field that nobody knows", body(`"spec":{"interval":"10m","chartgate":"ignore","chart":{"spec":{` + unsigned + `,"verified":true}}}`), "SignatureMissing"},
		{"a field in escapes", body(`"spec":{"interval":"10m","chart":{"spec":{` + strings.Replace(unsigned, `"chart"`, `"\u0063hart"`, 1) + `}}}`), "SignatureMissing"},
		{"a status that comes with the object, which is not stored", body(`"spec":{"interval":"10m","chart":{"spec":{` + signed + `}}},"status":{"helmChart":"apps/bad"}`), admitted},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			given := acmeRepository() + helmChart("bad", "unsigned", "1.0.0", suspended)
			for _, object := range w.Objects(t, given) {
				w.expect(t, write{by: admin, verb: "create", want: admitted}, object)
			}
			_, err := w.Kubectl(t.Context(), r.body, "create", "--validate=false", "--raw", "/apis/helm.toolkit.fluxcd.io/v2/namespaces/apps/helmreleases?fieldValidation=Ignore", "-f", "-")
			got := admitted
			if err != nil {
				got = reasonIn(err.Error())
			}
			if got != r.want {
				t.Errorf("got %q, want %q: %v", got, r.want, err)
			}
			w.expectStored(t, r.want)
		})
	}
}

// expectStored looks whether the HelmRelease app is there, and that it installs podinfo.
func (w *site) expectStored(t *testing.T, want string) {
	t.Helper()
	found := w.Stored(t, w.Object(t, releaseOf("app", "podinfo", "1.0.0")))
	if (found != nil) != (want == admitted) {
		t.Errorf("stored: %t", found != nil)
	}
	if found == nil {
		return
	}
	w.RemoveAfter(t, found)
	if chart := at(found.Object, "spec", "chart", "spec")["chart"]; chart != "podinfo" {
		t.Errorf("%v is stored", chart)
	}
	if stored := at(found.Object, "status")["helmChart"]; stored != nil {
		t.Errorf("status.helmChart %v is stored", stored)
	}
}

var denialIn = regexp.MustCompile(`denied \(([A-Za-z]+)\): `)

func reasonIn(text string) string {
	if found := denialIn.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return text
}
