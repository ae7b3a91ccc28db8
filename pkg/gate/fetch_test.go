package gate_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const theArchive = "the archive of podinfo"

// serving makes of the steps some whose registry has an archive, which it resolves to by any reference.
func serving(t *testing.T, s *steps) {
	sum := sha256.Sum256([]byte(theArchive))
	layer, err := chart.ParseDigest("sha256:" + hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: layer}, nil
	}
	s.archive = func(context.Context, artifact.Resolved) ([]byte, error) { return []byte(theArchive), nil }
}

func unsigned(s *steps) {
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] { return materials() }
}

// TestFetch: an archive is returned if, and only if, the verdict admits, and it is the one that was
// verified.
func TestFetch(t *testing.T) {
	for _, tc := range []struct {
		sentence string
		policies []policy.Input
		change   func(*steps)
		question gate.Question
		want     outcome
	}{
		{"control: a signed chart", nil, nil, use(t, podinfo), admitted},
		{"control: a signed chart by its digest", nil, nil, use(t, "oci://ghcr.io/acme/podinfo@"+digest(t, "a").String()), admitted},
		{"an unsigned chart", nil, unsigned, use(t, podinfo), denied(verdict.SignatureMissing)},
		{"a chart that no policy is about", nil, nil, use(t, "oci://ghcr.io/other/podinfo:1.0.0"), denied(verdict.NoPolicy)},
		{"an archive that cannot be fetched", nil, func(s *steps) {
			s.archive = func(context.Context, artifact.Resolved) ([]byte, error) {
				return []byte(theArchive), &problem.Error{Kind: problem.KindUnavailable, Detail: "down"}
			}
		}, use(t, podinfo), denied(verdict.RegistryUnavailable)},
		{"an archive of other bytes", nil, func(s *steps) {
			s.archive = func(context.Context, artifact.Resolved) ([]byte, error) { return []byte("evil"), nil }
		}, use(t, podinfo), denied(verdict.DigestMismatch)},
		{"no archive at all", nil, func(s *steps) {
			s.archive = func(context.Context, artifact.Resolved) ([]byte, error) { return nil, nil }
		}, use(t, podinfo), denied(verdict.DigestMismatch)},
		{"a digest that suddenly means something else", nil, func(s *steps) {
			before := s.resolve
			s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
				found, err := before(ctx, ref)
				if _, pinned := ref.Selector.Digest(); pinned {
					found.Digest = digest(t, "c")
				}
				return found, err
			}
		}, use(t, podinfo), denied(verdict.DigestMismatch)},
		{"a digest that is no chart any more", nil, func(s *steps) {
			before := s.resolve
			s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
				found, err := before(ctx, ref)
				_, found.Other = ref.Selector.Digest()
				return found, err
			}
		}, use(t, podinfo), denied(verdict.InternalError)},
		{"a waived chart", []policy.Input{requiring("acme", subject, unverified("2099-12-31"))}, unsigned, use(t, podinfo), outcome{"AllowedUnverified", ""}},
		{"an unsigned chart in mode Warn", []policy.Input{requiring("acme", subject, warnOnly)}, unsigned, use(t, podinfo), outcome{"Warned", verdict.SignatureMissing}},
		{"a chart in mode Warn that cannot be found", []policy.Input{requiring("acme", subject, warnOnly)}, func(s *steps) {
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotFound, Detail: "not there"}
			}
		}, use(t, podinfo), denied(verdict.ChartNotFound)},
		{"manifests, which no policy is about", nil, nil, use(t, "oci://ghcr.io/other/podinfo:1.0.0", func(c *gate.Chart) { c.MaybeChart = true }), denied(verdict.InternalError)},
		{"a repository of charts", nil, nil, gate.Question{Target: gate.Repository{Location: reference(t, "oci://ghcr.io/acme/charts:1.0.0").Location}}, denied(verdict.InternalError)},
		{"a source that does not exist yet", nil, nil, gate.Question{
			Target: gate.Unresolved{Err: &problem.Error{Kind: problem.KindSourceNotFound}}, Deferrable: true,
		}, denied(verdict.InternalError)},
		{"nothing", nil, nil, gate.Question{}, denied(verdict.InternalError)},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			s := fine(t)
			serving(t, &s)
			if tc.policies != nil {
				s.current = always(compile(t, tc.policies...))
			}
			if tc.change != nil {
				tc.change(&s)
			}
			v, content := s.gate().Fetch(t.Context(), tc.question)
			if got := (outcome{v.String(), v.Reason()}); got != tc.want {
				t.Errorf("%v, want %v\n%s", got, tc.want, v.Message())
			}
			if want := map[bool]string{true: theArchive}[v.Admits()]; string(content) != want {
				t.Errorf("the archive is %q, want %q", content, want)
			}
		})
	}
}

// TestFetchGoesByTheVerifiedDigest: after the verdict, the tag is not asked for again.
func TestFetchGoesByTheVerifiedDigest(t *testing.T) {
	s := fine(t)
	serving(t, &s)
	before := s.resolve
	var asked []string
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		asked = append(asked, ref.Selector.String())
		return before(ctx, ref)
	}
	if v, _ := s.gate().Fetch(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Error(v.Message())
	}
	if want := []string{"1.0.0", digest(t, "a").String()}; !slices.Equal(asked, want) {
		t.Errorf("resolved %q, want %q", asked, want)
	}
}

func TestTags(t *testing.T) {
	at := func(text string) gate.Question {
		return gate.Question{Object: gate.Object{Kind: "Chart"}, Target: gate.Repository{Location: reference(t, text+":1").Location}}
	}
	for _, tc := range []struct {
		sentence string
		question gate.Question
		err      error
		want     outcome
		asks     bool
	}{
		{"control: a chart that a policy matches", at("oci://ghcr.io/acme/podinfo"), nil, outcome{"Covered", ""}, true},
		{"a chart that no policy matches is not asked for", at("oci://ghcr.io/other/podinfo"), nil, denied(verdict.NoPolicy), false},
		{"a registry that does not answer", at("oci://ghcr.io/acme/podinfo"), &problem.Error{Kind: problem.KindUnavailable, Detail: "down"}, denied(verdict.RegistryUnavailable), true},
		{"a chart with a version is no repository", use(t, podinfo), nil, denied(verdict.InternalError), false},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			s, asked := fine(t), false
			s.asked = func(attachment.Search) { asked = true }
			s.tags = func(context.Context, chart.Location) ([]string, error) { return []string{"1.0.0"}, tc.err }
			v, tags := s.gate().Tags(t.Context(), tc.question)
			if got := (outcome{v.String(), v.Reason()}); got != tc.want || asked != tc.asks {
				t.Errorf("%v (asked: %v), want %v (%v)", got, asked, tc.want, tc.asks)
			}
			if v.Admits() != (len(tags) == 1) {
				t.Errorf("tags %q with the verdict %s", tags, v)
			}
		})
	}
}
