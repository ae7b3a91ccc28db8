package inventory

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// A registry that gives no answer several times in a row is not asked again; one answer is enough to
// go on.
func TestSilentHosts(t *testing.T) {
	silent := verdict.Deny(verdict.Subject{}, verdict.Denial{Reason: verdict.Timeout})
	down := verdict.Deny(verdict.Subject{}, verdict.Denial{Reason: verdict.RegistryUnavailable})
	answer := verdict.Deny(verdict.Subject{}, verdict.Denial{Reason: verdict.SignatureMissing})
	for _, c := range []struct {
		sentence string
		observed []verdict.Verdict
		asked    bool
	}{
		{"nothing is known", nil, true},
		{"two answers did not come", []verdict.Verdict{silent, down}, true},
		{"three did not", []verdict.Verdict{silent, down, silent}, false},
		{"three did not, with an answer in between", []verdict.Verdict{silent, down, answer, silent}, true},
		{"an answer that was under way comes after the third", []verdict.Verdict{silent, silent, silent, answer}, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			h := newHosts(1)
			for _, found := range c.observed {
				v, err := h.enter(t.Context(), way{host: "ghcr.io"})
				if err != nil { // it began before the third
					v = visit{hosts: h, at: h.of(way{host: "ghcr.io"})}
					v.observe(found, time.Hour)
					continue
				}
				v.observe(found, time.Hour)
				v.leave()
			}
			last, err := h.enter(t.Context(), way{host: "ghcr.io"})
			if (err == nil) != c.asked {
				t.Fatal(err)
			}
			if perr, ok := errors.AsType[*problem.Error](err); err != nil && (!ok || perr.Kind != problem.KindUnavailable) {
				t.Error(err)
			}
			if err == nil {
				last.leave()
			}
			if _, err := h.enter(t.Context(), way{host: "quay.io"}); err != nil {
				t.Errorf("another host: %v", err)
			}
		})
	}
}

// Someone whose charts are slow on purpose does not keep the charts of others at the same registry from
// being examined: it answers to those.
func TestAttackSlowChartsHideNoOther(t *testing.T) {
	h := newHosts(4)
	var slow []visit
	for range 3 {
		v, err := h.enter(t.Context(), way{host: "ghcr.io"})
		if err != nil {
			t.Fatal(err)
		}
		slow = append(slow, v)
	}
	honest, err := h.enter(t.Context(), way{host: "ghcr.io"})
	if err != nil {
		t.Fatal(err)
	}
	honest.observe(verdict.Deny(verdict.Subject{}, verdict.Denial{Reason: verdict.SignatureMissing}), time.Hour)
	honest.leave()
	for _, v := range slow {
		v.observe(verdict.Deny(verdict.Subject{}, verdict.Denial{Reason: verdict.Timeout}), time.Hour)
		v.leave()
	}
	if _, err := h.enter(t.Context(), way{host: "ghcr.io"}); err != nil {
		t.Error(err)
	}
}

// TestAttackATenantsSlowProxy: a proxy that answers slowly, but does answer, uses up the time of its own way alone.
func TestAttackATenantsSlowProxy(t *testing.T) {
	h := newHosts(1)
	slow := way{"ghcr.io", "with the proxy in Secret slow of namespace aaa", true}
	answer := verdict.Deny(verdict.Subject{}, verdict.Denial{Reason: verdict.SignatureMissing})
	asked := 0
	for range 1000 {
		v, err := h.enter(t.Context(), slow)
		if err != nil {
			continue
		}
		asked++
		v.observe(answer, 29*time.Second)
		v.leave()
	}
	if asked != 63 {
		t.Errorf("%d charts of 29 s each were examined, want those of half an hour", asked)
	}
	if _, err := h.enter(t.Context(), way{host: "ghcr.io"}); err != nil {
		t.Errorf("others: %v", err)
	}
}

// TestWays: what a tenant chose is a way of its own, and no other.
func TestWays(t *testing.T) {
	reference, err := chart.ParseReference("oci://ghcr.io/acme/web:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[way]string{}
	for sentence, auth := range map[string]sourceauth.Auth{
		"chartgate's own":            {},
		"a proxy":                    {Consumer: sourceauth.Flux, Namespace: "a", Proxy: "p"},
		"that of another namespace":  {Consumer: sourceauth.Flux, Namespace: "b", Proxy: "p"},
		"another proxy":              {Consumer: sourceauth.Flux, Namespace: "a", Proxy: "q"},
		"certificates":               {Consumer: sourceauth.Flux, Namespace: "a", Certificates: "p"},
		"a proxy and certificates":   {Consumer: sourceauth.Flux, Namespace: "a", Proxy: "p", Certificates: "p"},
		"a project of Argo CD":       {Consumer: sourceauth.ArgoCD, Project: "a"},
		"another project of Argo CD": {Consumer: sourceauth.ArgoCD, Project: "b"},
	} {
		w := wayTo(gate.Chart{Reference: reference, Auth: auth})
		if other, same := seen[w]; same {
			t.Errorf("%s is the same way as %s", sentence, other)
		}
		seen[w] = sentence
	}
	for sentence, auth := range map[string]sourceauth.Auth{
		"a namespace": {Consumer: sourceauth.Flux, Namespace: "a"}, "a login": {Consumer: sourceauth.Flux, Namespace: "a", Secret: "s", ServiceAccount: "s"},
	} {
		if w := wayTo(gate.Chart{Reference: reference, Auth: auth}); w != (way{host: "ghcr.io"}) {
			t.Errorf("%s is a way of its own: %s", sentence, w)
		}
	}
}

// A place at a host is waited for, and no longer than the scan lasts.
func TestPlacesAtAHost(t *testing.T) {
	h := newHosts(2)
	first, err := h.enter(t.Context(), way{host: "ghcr.io"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.enter(t.Context(), way{host: "ghcr.io"}); err != nil {
		t.Fatal(err)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	_, err = h.enter(over, way{host: "ghcr.io"})
	if perr, ok := errors.AsType[*problem.Error](err); !ok || perr.Kind != problem.KindTimeout {
		t.Errorf("a third place: %v", err)
	}
	first.leave()
	if _, err := h.enter(t.Context(), way{host: "ghcr.io"}); err != nil {
		t.Error(err)
	}
}

// The chart of a release is read from what helm stores, and only as far as it must be.
func TestChartOf(t *testing.T) {
	const release = `{"name": "x", "info": {"status": "deployed"}, "chart": {"metadata": {"name": "podinfo", "version": "6.7.1"}, "templates": [`
	packed := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return []byte(base64.StdEncoding.EncodeToString(b.Bytes()))
	}
	plain := func(text string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(text))) }
	for _, c := range []struct {
		sentence string
		stored   []byte
		want     string
	}{
		{"compressed, as helm writes it", packed(release), "podinfo 6.7.1"},
		{"uncompressed, as helm 2 wrote it", plain(release), "podinfo 6.7.1"},
		{"the chart behind a large field", packed(`{"config": "` + strings.Repeat("x", 1<<20) + `", "chart": {"metadata": {"name": "a", "version": "1"}}}`), "a 1"},
		{"the chart behind more than is unpacked", packed(`{"config": "` + strings.Repeat("x", maxUnpacked) + `", "chart": {"metadata": {"name": "a"}}}`), ""},
		{"no chart", packed(`{"name": "x"}`), ""},
		{"a chart without a name", packed(`{"chart": {"metadata": {"version": "1"}}}`), ""},
		{"a chart that is a text", packed(`{"chart": "podinfo"}`), ""},
		{"a list", packed(`[]`), ""},
		{"nothing", nil, ""},
		{"one letter", []byte("x"), ""},
		{"no base64", []byte("%%%%"), ""},
		{"a damaged archive", plain("\x1f\x8bxxxx"), ""},
	} {
		name, version, err := chartOf(c.stored)
		if got := strings.TrimSpace(name + " " + version); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.sentence, got, err)
		}
	}
}
