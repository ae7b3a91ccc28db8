package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/webhook"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// demoWorld is everything that the demo talks to, on 127.0.0.1.
type demoWorld struct {
	registry *registrytest.Registry
	hook     *httptest.Server
}

func newDemoWorld() (*demoWorld, error) {
	trust, err := sigstore.New(time.Now)
	if err != nil {
		return nil, err
	}
	w := &demoWorld{registry: registrytest.New(registrytest.Options{TLS: true})}
	if err := pushDemoCharts(w.registry, trust); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	handler, err := w.handler(trust)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.hook = httptest.NewTLSServer(handler)
	return w, nil
}

// Close stops the servers.
func (w *demoWorld) Close() error {
	if w.hook != nil {
		w.hook.Close()
	}
	w.registry.Close()
	return nil
}

// handler is the webhook as "chartgate serve" runs it, with the samples' policies
// and the samples as the cluster's objects.
func (w *demoWorld) handler(trust *sigstore.Sigstore) (http.Handler, error) {
	inForce, err := samplePolicies()
	if err != nil {
		return nil, err
	}
	objects, err := sampleCluster()
	if err != nil {
		return nil, err
	}
	root, err := trust.TrustedRoot()
	if err != nil {
		return nil, err
	}
	roots, err := signature.Fixed(root)
	if err != nil {
		return nil, err
	}
	metrics, err := webhook.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	client := registry.New(registry.Options{Transport: w.routeToRegistry()})
	decide := gate.New(inForce, client, signature.New(roots), time.Now)
	charts := webhook.NewCharts(webhook.ChartsOptions{Extractor: source.NewExtractor(objects, source.Options{}), Gate: decide, MaxConcurrent: 8, Metrics: metrics})
	return webhook.WithDeadline(webhook.NewBodies(logr.Discard()).Charts(charts)), nil
}

// routeToRegistry leads every host to the demo's registry, so that the samples can
// keep the names of real ones. TLS is real.
func (w *demoWorld) routeToRegistry() http.RoundTripper {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.registry.CA())
	host, _, _ := net.SplitHostPort(w.registry.Host())
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, w.registry.Host())
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12},
	}
}

// answer is what the webhook said, and about which chart.
type answer struct {
	object, chart, verdict, reason, message string
	admitted                                bool
}

// ask sends the webhook the AdmissionReview that an API server sends when the
// manifest is created.
func (w *demoWorld) ask(ctx context.Context, manifest string) (answer, error) {
	objects, err := sample(manifest)
	if err != nil {
		return answer{}, err
	}
	if len(objects) != 1 {
		return answer{}, fmt.Errorf("want one object, found %d", len(objects))
	}
	object := objects[0]
	review, err := reviewOf(object)
	if err != nil {
		return answer{}, err
	}
	response, err := w.post(ctx, review)
	if err != nil {
		return answer{}, err
	}
	return answer{
		object:   object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName(),
		chart:    response.AuditAnnotations["chart"],
		verdict:  response.AuditAnnotations["verdict"],
		reason:   response.AuditAnnotations["reason"],
		message:  response.Result.Message,
		admitted: response.Allowed,
	}, nil
}

func reviewOf(object unstructured.Unstructured) (admissionv1.AdmissionReview, error) {
	raw, err := object.MarshalJSON()
	if err != nil {
		return admissionv1.AdmissionReview{}, err
	}
	kind := object.GroupVersionKind()
	return admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       "demo",
			Kind:      metav1.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind},
			Operation: admissionv1.Create,
			Namespace: object.GetNamespace(),
			Name:      object.GetName(),
			Object:    runtime.RawExtension{Raw: raw},
		},
	}, nil
}

func (w *demoWorld) post(ctx context.Context, review admissionv1.AdmissionReview) (*admissionv1.AdmissionResponse, error) {
	body, err := json.Marshal(review)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.hook.URL+"?timeout=10s", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := w.hook.Client().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answered admissionv1.AdmissionReview
	if err := json.NewDecoder(response.Body).Decode(&answered); err != nil {
		return nil, fmt.Errorf("read the webhook's answer: %w", err)
	}
	if answered.Response == nil || answered.Response.Result == nil {
		return nil, errors.New("the webhook gave no answer")
	}
	return answered.Response, nil
}
