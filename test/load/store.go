package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// store is a registry of signed charts that are made when they are first requested.
type store struct {
	registry *registrytest.Registry
	trust    *sigstore.Sigstore
	by       sigstore.Signer
	options  []sigstore.Option
	identity v1alpha1.TrustedIdentity
	cluster  *cluster
	manifest manifest // of the one chart of which all are copies

	mu      sync.Mutex
	digests map[int]string
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	issuer       = "https://issuer.example"
	subject      = "release@acme.example"
)

type manifest map[string]any

func newStore(keyless bool) (*store, error) {
	s := &store{registry: registrytest.New(registrytest.Options{}), cluster: newCluster(), digests: map[int]string{}}
	var err error
	if s.trust, err = sigstore.New(time.Now); err != nil {
		return s, err
	}
	if err := s.chooseSigner(keyless); err != nil {
		return s, err
	}
	archive, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		return s, err
	}
	digest, _, err := s.registry.PushChart("load/original", "1.0.0", archive)
	if err != nil {
		return s, err
	}
	raw, err := s.registry.Manifest("load/original", digest)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s.manifest)
}

func (s *store) close() {
	s.registry.Close()
	s.cluster.close()
}

func (s *store) chooseSigner(keyless bool) error {
	s.identity.ObjectMeta = metav1.ObjectMeta{Name: "acme-release"}
	if keyless {
		s.by = sigstore.Identity{Issuer: issuer, Subject: subject}
		s.identity.Spec.Keyless = &v1alpha1.Keyless{Issuer: issuer, Subject: subject}
		return nil
	}
	key, err := sigstore.NewKey()
	if err != nil {
		return err
	}
	pem, err := key.PEM()
	s.by, s.options = key, []sigstore.Option{sigstore.WithoutLog(), sigstore.WithoutTimestamp()}
	s.identity.Spec.Key = &v1alpha1.Key{PEM: string(pem), TransparencyLog: v1alpha1.TransparencyLogNotRequired}
	return err
}

// repository is the repository of a chart. Each chart has its own.
func repository(chart int) string { return fmt.Sprintf("load/chart-%d", chart) }

// chart makes a chart, unless it exists, and returns its digest. Charts differ in an annotation;
// the archive is the same.
func (s *store) chart(number int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if digest, made := s.digests[number]; made {
		return digest, nil
	}
	s.manifest["annotations"] = map[string]string{"number": fmt.Sprint(number)}
	raw, err := json.Marshal(s.manifest)
	if err != nil {
		return "", err
	}
	digest, err := s.registry.PushManifest(repository(number), "1.0.0", manifestType, raw)
	if err != nil {
		return "", err
	}
	bundle, err := s.trust.Bundle(s.by, digest, sigstore.SignPredicateType, nil, s.options...)
	if err != nil {
		return "", err
	}
	if _, err := s.registry.AttachBundle(repository(number), digest, bundle, nil); err != nil {
		return "", err
	}
	s.digests[number] = digest
	return digest, nil
}

// config is the webhook's configuration.
func (s *store) config() (config, error) {
	root, err := s.trust.TrustedRoot()
	return config{TrustedRoot: root, Registry: s.registry.Host(), Cluster: s.cluster.server.URL, Identities: []v1alpha1.TrustedIdentity{s.identity}}, err
}
