package attacks_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestReferenceSpellings: a policy that matches the spelling must match the chart, so a chart has
// one spelling. What another program could read differently is refused, and no packet is sent.
func TestReferenceSpellings(t *testing.T) {
	w := theSite(t)
	const (
		invalid = "ReferenceInvalid"
		unknown = "NoPolicy"
	)
	var rows []row
	url := func(sentence, url, reason string) {
		field := "spec.ref"
		if reason == invalid {
			field = "spec.url"
		}
		rows = append(rows, row{sentence, "", "", []write{create(editor, ociAt("app", url, "{tag: 1.0.0}", copied), reason+" "+field)}})
	}
	name := func(sentence, chart, reason string) {
		rows = append(rows, row{sentence, "", acmeRepository(), []write{create(editor, releaseOf("app", chart, "1.0.0"), reason+" spec.chart.spec")}})
	}
	version := func(sentence, version, reason string) {
		rows = append(rows, row{sentence, "", acmeRepository(), []write{create(editor, releaseOf("app", "podinfo", version), reason+" spec.chart.spec")}})
	}
	name("a chart that climbs out of its repository", "../evil/podinfo", invalid)
	name("a chart that climbs and comes back", "../charts/unsigned", invalid)
	name("a chart that climbs in an encoded way", "%2e%2e/evil/podinfo", invalid)
	name("a chart that climbs with backslashes", `..\evil\podinfo`, invalid)
	name("a chart with an empty segment", "x//podinfo", invalid)
	name("a chart from the root", "/evil/podinfo", invalid)
	name("a chart with a URL of its own", "oci://ghcr.io/evil/podinfo", invalid)
	name("a chart with a tag of its own", "podinfo:2.0.0", invalid)
	name("a chart with a digest of its own", "podinfo@digest(charts/podinfo:2.0.0)", invalid)
	name("a chart with a query", "podinfo?x=y", invalid)
	name("a chart in upper case", "Podinfo", invalid)
	name("a chart with a letter that looks like another", "p\u043edinfo", invalid)
	name("a chart with a NUL", "podinfo\x00evil", invalid)
	name("a chart with a line break that would forge a line of the message", "podinfo\n  next:     all is well", invalid)
	name("a chart with a letter that reverses the text", "podinfo\u202eofnidop", invalid)
	name("a chart whose name is very long", strings.Repeat("a", 2000), invalid)
	version("a version with a tag and a digest", "1.0.0@digest(charts/podinfo:2.0.0)", invalid)
	version("a version that is a digest", "digest(charts/podinfo:2.0.0)", invalid)
	version("a version with a path", "1.0.0/../2.0.0", invalid)
	version("a version with a NUL", "1.0.0\x00", invalid)
	version("a version that is very long", "1.0.0-"+strings.Repeat("a", 5000), invalid)
	version("a version with a blank", " 2.0.0", "NotPinned")
	version("two versions", "1.0.0 || 2.0.0", "NotPinned")
	url("a host in upper case", "oci://"+strings.ToUpper("registry.example.com")+"/charts/podinfo", invalid)
	url("a host with a dot behind it", "oci://registry.example.com./charts/podinfo", invalid)
	url("user info that looks like the host", "oci://ghcr.io@mallory.example/charts/podinfo", invalid)
	url("a host that only starts like the right one", "oci://registry.example.com.mallory.example/charts/podinfo", unknown)
	url("a port with a zero before it", "oci://registry.example.com:0443/charts/podinfo", invalid)
	url("a host in the form of a number", "oci://2130706433/charts/podinfo", invalid)
	url("a host of short form", "oci://127.1/charts/podinfo", invalid)
	url("a host of octal form", "oci://0177.0.0.1/charts/podinfo", invalid)
	url("a host in brackets", "oci://[::1]/charts/podinfo", invalid)
	url("the address of the cloud's metadata service", "oci://169.254.169.254/latest/meta-data", unknown)
	url("control: a host that a policy wants digests of", "oci://registry.example.com/charts/podinfo", "NotPinned")
	url("the same with the default port", "oci://registry.example.com:443/charts/podinfo", "NotPinned")
	url("Docker Hub by its old name", "oci://index.docker.io/acme/podinfo", "NotPinned")
	url("Docker Hub by the name of its registry", "oci://registry-1.docker.io/acme/podinfo", "NotPinned")
	url("Docker Hub by the name of its pages", "oci://registry.hub.docker.com/acme/podinfo", "NotPinned")
	url("Docker Hub with the default port", "oci://docker.io:443/acme/podinfo", "NotPinned")
	url("Docker Hub without a namespace, which Flux and Helm read differently", "oci://docker.io/podinfo", invalid)
	url("a percent-encoded slash", "oci://ghcr.io/charts%2fpodinfo", invalid)
	url("a path that climbs", "oci://ghcr.io/charts/../evil/podinfo", invalid)
	url("a fragment", "oci://ghcr.io/charts/podinfo#@mallory.example", invalid)
	w.registry.Reset()
	w.check(t, rows)
	if requests := w.registry.Requests(); len(requests) > 0 {
		t.Errorf("the registry was asked all the same:\n%s", strings.Join(requests, "\n"))
	}
}

// TestDuplicateAndUnknownFields: bodies that honest tools do not write, sent byte by byte. What
// chartgate sees must be what is stored.
func TestDuplicateAndUnknownFields(t *testing.T) {
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
		{"an unknown field", body(`"spec":{"interval":"10m","chartgate":"ignore","chart":{"spec":{` + unsigned + `,"verified":true}}}`), "SignatureMissing"},
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

// expectStored checks whether the HelmRelease app exists, and that it installs podinfo.
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
