package registry_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

const repo = "acme/charts/podinfo"

// shelf is a registry that holds podinfo 1.0.0.
type shelf struct {
	*registrytest.Registry
	digest, layer string
}

func newShelf(t *testing.T, options registrytest.Options) shelf {
	t.Helper()
	s := shelf{Registry: registrytest.New(options)}
	t.Cleanup(s.Close)
	s.digest, s.layer = s.push(t, "1.0.0")
	return s
}

func (s shelf) push(t *testing.T, version string) (digest, layer string) {
	t.Helper()
	return s.pushAt(t, repo, version)
}

func (s shelf) pushAt(t *testing.T, repo, version string) (digest, layer string) {
	t.Helper()
	archive, err := charts.Archive("podinfo", version)
	if err != nil {
		t.Fatal(err)
	}
	digest, layer, err = s.PushChart(repo, strings.ReplaceAll(version, "+", "_"), archive)
	if err != nil {
		t.Fatal(err)
	}
	return digest, layer
}

// client speaks to s over plain HTTP, without credentials.
func (s shelf) client() *registry.Client {
	return registry.New(registry.Options{PlainHTTP: []string{s.Host()}})
}

// text fills in the shelf's names.
func (s shelf) text(pattern string) string {
	return strings.NewReplacer("HOST", s.Host(), "CHART", "oci://"+s.Host()+"/"+repo, "DIGEST", s.digest).Replace(pattern)
}

func (s shelf) location(t *testing.T) chart.Location {
	t.Helper()
	l, err := chart.ParseChart("oci://" + s.Host() + "/" + repo)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// resolved is podinfo 1.0.0 as Resolve would find it by its digest.
func (s shelf) resolved(t *testing.T) artifact.Resolved {
	t.Helper()
	return s.pushed(t, "", s.digest, s.layer)
}

// pushed is a chart as helm pushes it, and as Resolve would find it by the tag.
func (s shelf) pushed(t *testing.T, tag, digest, layer string) artifact.Resolved {
	t.Helper()
	return artifact.Resolved{
		Location: s.location(t), Tag: tag, Digest: parseDigest(t, digest),
		Layer: parseDigest(t, layer), LayerType: artifact.MediaTypeLayer, Direct: true, First: true, Alone: true,
	}
}

func parseLocation(t *testing.T, text string) chart.Location {
	t.Helper()
	l, err := chart.ParseLocation(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func parseDigest(t *testing.T, text string) chart.Digest {
	t.Helper()
	d, err := chart.ParseDigest(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// outcome is an error as users see it.
type outcome struct {
	Kind         problem.Kind
	Detail, Next string
}

// outcomeOf leaves out the next step if the registry is unavailable: TestNextSteps tests those.
func outcomeOf(t *testing.T, err error) outcome {
	t.Helper()
	o := wholeOutcomeOf(t, err)
	if o.Kind == problem.KindUnavailable {
		o.Next = ""
	}
	return o
}

func wholeOutcomeOf(t *testing.T, err error) outcome {
	t.Helper()
	if err == nil {
		t.Fatal("no problem")
	}
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("%T is not a problem: %v", err, err)
	}
	return outcome{p.Kind, p.Detail, p.Next}
}

func equal(t *testing.T, want, got any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// serve answers with the content given, and with header lines "Name: value".
func serve(mediaType, body string, header ...string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", mediaType)
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		_, _ = fmt.Fprint(w, body)
	}
}

// answer answers with a status and header lines, and no body.
func answer(status int, header ...string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
	}
}

// with changes the header of healthy answers.
func with(header ...string) registrytest.Fault {
	return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		healthy.ServeHTTP(&headerWriter{w, header}, req)
	}
}

type headerWriter struct {
	http.ResponseWriter
	lines []string
}

func (h *headerWriter) WriteHeader(status int) {
	for _, line := range h.lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Header().Set(name, value)
	}
	h.ResponseWriter.WriteHeader(status)
}

func (h *headerWriter) Write(b []byte) (int, error) {
	for _, line := range h.lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Header().Set(name, value)
	}
	return h.ResponseWriter.Write(b)
}

// collect takes everything that Signatures yields.
func collect(ctx context.Context, t *testing.T, c *registry.Client, r artifact.Resolved) (found []attachment.Attachment, problems []outcome) {
	t.Helper()
	return collectFor(ctx, t, c, r, attachment.Search{})
}

// collectFor does so for a consumer, or in other repositories.
func collectFor(ctx context.Context, t *testing.T, c *registry.Client, r artifact.Resolved, where attachment.Search) (found []attachment.Attachment, problems []outcome) {
	t.Helper()
	for m, err := range c.Signatures(ctx, r, where) {
		if err != nil {
			problems = append(problems, outcomeOf(t, err))
			continue
		}
		found = append(found, m)
	}
	return found, problems
}

// contents shortens attachments to "bundle: content".
func contents(found []attachment.Attachment) []string {
	var texts []string
	for _, m := range found {
		texts = append(texts, m.Format.String()+": "+string(m.Content))
	}
	return texts
}

func sha512Hex(content string) string {
	sum := sha512.Sum512([]byte(content))
	return hex.EncodeToString(sum[:])
}

func sha256Hex(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// count returns how many requests match a regular expression.
func count(requests []string, pattern string) int {
	n := 0
	for _, request := range requests {
		if regexp.MustCompile(pattern).MatchString(request) {
			n++
		}
	}
	return n
}

// options are those that a client of s needs.
func (s shelf) options(t *testing.T, username, password string) registry.Options {
	t.Helper()
	o := registry.Options{Credentials: func(context.Context, chart.Location) (string, string, error) { return username, password, nil }}
	if s.CA() == nil {
		o.PlainHTTP = []string{s.Host()}
		return o
	}
	o.RootCAs = x509.NewCertPool()
	o.RootCAs.AppendCertsFromPEM(s.CA())
	return o
}

// made marks a bundle as cosign 3 does.
func made(predicate string, at time.Time) map[string]string {
	m := marked(predicate)
	m["org.opencontainers.image.created"] = at.Format(time.RFC3339)
	return m
}

func marked(predicate string) map[string]string {
	return map[string]string{"dev.sigstore.bundle.predicateType": predicate}
}

func (s shelf) bundle(t *testing.T, content string, annotations map[string]string) (digest string) {
	t.Helper()
	digest, err := s.AttachBundle(repo, s.digest, []byte(content), annotations)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (s shelf) legacySignature(t *testing.T, payload string, annotations map[string]string) {
	t.Helper()
	if err := s.AttachLegacy(repo, s.digest, []byte(payload), annotations); err != nil {
		t.Fatal(err)
	}
}

func serve404(code string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(404)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, code)
	}
}

func listed(digest, artifactType string) map[string]any {
	d := map[string]any{"mediaType": manifestType, "digest": digest, "size": 1}
	if artifactType != "-" {
		d["artifactType"] = artifactType
	}
	return d
}

func serveIndex(manifests ...map[string]any) registrytest.Fault {
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": manifests})
	if err != nil {
		panic(err)
	}
	return serve("application/vnd.oci.image.index.v1+json", string(body))
}
