package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

const (
	// honestP99 is the target for an honest namespace while others attack.
	honestP99 = time.Second
	// memoryLimit is that of the chart.
	memoryLimit = 512 << 20
	// hostileFor is how long each mix lasts.
	hostileFor = 10 * time.Second
)

var errMissed = errors.New("an honest namespace does not get what it should")

// measureHostile runs one attack after the other beside an honest namespace.
func (o options) measureHostile(ctx context.Context, r *report, s *store, h *webhook) error {
	var missed error
	for _, attack := range []struct {
		title string
		// prepare makes what the attack needs, and returns it as a function that runs until its
		// context ends.
		prepare func(context.Context, *store, *webhook) (func(context.Context), error)
	}{
		{fmt.Sprintf("%d suspended HelmReleases of 1 MB, %d a second written again, and OCIRepositories", suspended, rewrites), o.prepareRepositories},
		{"120 connections with bodies of 6 MiB", prepareBodies},
		{"64 decisions at a time on charts with 32 junk bundles", prepareJunk},
	} {
		run, err := attack.prepare(ctx, s, h)
		if err != nil {
			return fmt.Errorf("%s: %w", attack.title, err)
		}
		honest := &class{name: "honest", rate: 20, ask: h.ask, next: honestReviews(s, len(attack.title))}
		hostile, stop := context.WithCancel(ctx)
		var group sync.WaitGroup
		group.Go(func() { run(hostile) })
		err = honest.drive(ctx, hostileFor)
		stop()
		group.Wait()
		if err != nil {
			return err
		}
		r.title("An honest namespace beside: %s", attack.title)
		p99, failed := honest.latencies.at(.99), honest.failures.count.Load()
		r.line("p50", milliseconds(honest.latencies.at(.5)), "")
		r.line("p99", milliseconds(p99), "< 1000 ms")
		r.line("not admitted", fmt.Sprintf("%d of %d", failed, honest.latencies.count()), "0")
		if err := r.memory("memory at its highest so far (VmHWM)", "VmHWM", "< 512 MiB"); err != nil {
			return err
		}
		highest, err := r.process.memory("VmHWM")
		if err != nil {
			return err
		}
		if p99 >= honestP99 || failed > 0 || highest >= memoryLimit {
			missed = errors.Join(missed, fmt.Errorf("%w beside: %s", errMissed, attack.title), honest.failures.first)
		}
	}
	return missed
}

// honestReviews are new charts, and ones that are known, in turn.
func honestReviews(s *store, seed int) func(int) ([]byte, error) {
	return func(n int) ([]byte, error) {
		chart := n % warmCharts
		if n%2 == 0 {
			chart = 10_000_000 + seed*100_000 + n
		}
		_, err := s.chart(chart)
		return createdIn("honest", byTag(s.registry.Host(), chart)), err
	}
}

// repeat calls what in so many goroutines until ctx ends.
func repeat(ctx context.Context, times int, what func(n int)) {
	var group sync.WaitGroup
	for n := range times {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				what(n + i*times)
			}
		})
	}
	group.Wait()
}

const ociRepository = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",` +
	`"kind":{"group":"source.toolkit.fluxcd.io","version":"v1","kind":"OCIRepository"},` +
	`"resource":{"group":"source.toolkit.fluxcd.io","version":"v1","resource":"ocirepositories"},` +
	`"namespace":"greedy","name":"podinfo","userInfo":{"username":"greedy"},"object":{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"OCIRepository",` +
	`"metadata":{"namespace":"greedy","name":"podinfo"},"spec":{"url":"oci://%s/%s","ref":{"tag":"1.0.0"},` +
	`"layerSelector":{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","operation":"copy"}}},"oldObject":null}}`

func (o options) prepareRepositories(ctx context.Context, s *store, h *webhook) (func(context.Context), error) {
	if _, err := s.chart(0); err != nil {
		return nil, err
	}
	review := fmt.Appendf(nil, ociRepository, s.registry.Host(), repository(0))
	return func(ctx context.Context) {
		repeat(ctx, 16, func(int) { _ = h.ask(ctx, review) })
	}, h.ask(ctx, review)
}

// prepareBodies sends large reviews on connections of their own, again and again.
func prepareBodies(_ context.Context, s *store, h *webhook) (func(context.Context), error) {
	review := createdIn("greedy", byTag(s.registry.Host(), 0))
	body := bytes.Replace(review, []byte(`"spec":{`), []byte(`"padding":"`+strings.Repeat("a", 6<<20)+`","spec":{`), 1)
	return func(ctx context.Context) {
		// Another pod has another address than the API server.
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}}
		stranger := &http.Client{Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true, DialContext: dialer.DialContext,
		}}
		repeat(ctx, 120, func(int) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/validate-charts?timeout=10s", bytes.NewReader(body))
			if err != nil {
				return
			}
			req.Header.Set("Content-Type", "application/json")
			if resp, err := stranger.Do(req); err == nil {
				_ = resp.Body.Close()
			}
		})
	}, nil
}

// junkCharts have as many bundles by strangers as chartgate reads.
const junkCharts = 64

// prepareJunk makes the charts. Denials are not cached, so each write reads all of them again.
func prepareJunk(_ context.Context, s *store, h *webhook) (func(context.Context), error) {
	stranger := sigstore.Identity{Issuer: issuer, Subject: "stranger@evil.example"}
	for i := range junkCharts {
		digest, err := s.junk(i, stranger)
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", digest, err)
		}
	}
	return func(ctx context.Context) {
		repeat(ctx, junkCharts, func(n int) {
			_ = h.ask(ctx, createdIn("greedy", fmt.Sprintf(`{"repoURL":"%s/load","chart":"junk-%d","targetRevision":"1.0.0"}`, s.registry.Host(), n%junkCharts)))
		})
	}, nil
}

// junk makes a chart with bundles by a stranger.
func (s *store) junk(number int, by sigstore.Signer) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifest["annotations"] = map[string]string{"junk": fmt.Sprint(number)}
	raw, err := json.Marshal(s.manifest)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("load/junk-%d", number)
	digest, err := s.registry.PushManifest(name, "1.0.0", manifestType, raw)
	if err != nil {
		return "", err
	}
	bundle, err := s.trust.Bundle(by, digest, sigstore.SignPredicateType, nil)
	if err != nil {
		return digest, err
	}
	for i := range 32 {
		// White space makes the bundles differ.
		if _, err := s.registry.AttachBundle(name, digest, append(bytes.Clone(bundle), bytes.Repeat([]byte(" "), i)...), nil); err != nil {
			return digest, err
		}
	}
	return digest, nil
}
