package helmchart_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/harness"
)

// TestReachOfTheWebhooks makes both webhooks fail every call, and checks for which writes the API
// server calls them.
func TestReachOfTheWebhooks(t *testing.T) {
	c := theControlPlane(t)
	c.helm("", "install", "chartgate", chartDir)
	c.kubectl("", "label", "namespace", "apps", "chartgate.dev/skip=true", "control-plane=true")

	// Created before the webhooks fail, since the test updates them.
	release := object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "existing", map[string]any{
		"interval": "1m", "chartRef": map[string]any{"kind": "OCIRepository", "name": "x"},
	})
	identities := &corev1.ConfigMap{}
	c.get("chartgate-identities", identities)
	oci := map[string]any{"interval": "1m", "url": "oci://r.corp/x"}
	chart := object("source.toolkit.fluxcd.io/v1", "HelmChart", "apps", "existing", helmChartSpec())
	repository := object("source.toolkit.fluxcd.io/v1", "OCIRepository", "apps", "existing", oci)
	app := object("argoproj.io/v1alpha1", "Application", "apps", "existing", applicationSpec())
	templated := object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "templated", map[string]any{
		"interval": "1m", "chart": map[string]any{"spec": helmChartSpec()},
	})
	classic := object("source.toolkit.fluxcd.io/v1", "HelmRepository", "apps", "existing", map[string]any{"url": "https://charts.corp"})
	hydrated := object("argoproj.io/v1alpha1", "Application", "apps", "hydrated", hydratedSpec())
	syncing := object("argoproj.io/v1alpha1", "Application", "apps", "syncing", applicationSpec())
	syncing.Object["status"] = map[string]any{"operationState": map[string]any{
		"phase": "Running", "startedAt": "2026-11-20T00:00:00Z", "operation": map[string]any{"sync": map[string]any{"revision": "1.0.0"}},
	}}
	fromGit := func(key string, source any) *unstructured.Unstructured {
		return object("argoproj.io/v1alpha1", "Application", "apps", "x", map[string]any{"project": "default", "destination": map[string]any{}, key: source})
	}
	terminating := func(fields string) func(context.Context, client.Client) error {
		return patching(syncing, `{"status":{"operationState":{"phase":"Terminating"`+fields+`}}}`)
	}
	old := func(apiVersion string, o *unstructured.Unstructured) *unstructured.Unstructured {
		return object(apiVersion, o.GetKind(), o.GetNamespace(), o.GetName(), nil)
	}
	c.failWebhooks(func() {
		for _, existing := range []client.Object{release, chart, repository, app, templated, classic, hydrated, syncing} {
			c.create(existing)
		}
	})

	const charts, releases, applications, policies, none = "charts.chartgate.dev", "releases.chartgate.dev", "applications.chartgate.dev", "policies.chartgate.dev", ""
	configMap := func(namespace, name string) func(context.Context, client.Client) error {
		return creating(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	for name, tc := range map[string]struct {
		write func(context.Context, client.Client) error
		want  string
	}{
		"a HelmRelease":              {creating(object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "x", release.Object["spec"].(map[string]any))), charts},
		"a change of a release":      {patching(release, `{"spec":{"chartRef":{"name":"y"}}}`), charts},
		"a release that is resumed":  {patching(release, `{"spec":{"suspend":true}}`), charts},
		"a release's template":       {patching(release, `{"spec":{"chartRef":null,"chart":{"spec":{"chart":"x","sourceRef":{"kind":"HelmRepository","name":"x"}}}}}`), charts},
		"a label of a release":       {annotating(release), none},
		"values of a release":        {patching(release, `{"spec":{"values":{"replicas":3}}}`), none},
		"a release's interval":       {patching(release, `{"spec":{"interval":"7m","timeout":"9m"}}`), none},
		"a HelmRepository":           {creating(object("source.toolkit.fluxcd.io/v1", "HelmRepository", "apps", "x", oci)), charts},
		"an OCIRepository":           {creating(object("source.toolkit.fluxcd.io/v1", "OCIRepository", "apps", "x", oci)), charts},
		"an older OCIRepository":     {creating(object("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", "apps", "x", oci)), charts},
		"an old HelmRelease":         {creating(object("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease", "apps", "x", map[string]any{"interval": "1m", "chart": map[string]any{"spec": helmChartSpec()}})), charts},
		"one in kube-system":         {creating(object("source.toolkit.fluxcd.io/v1", "OCIRepository", "kube-system", "x", oci)), charts},
		"one in chartgate's own":     {creating(object("source.toolkit.fluxcd.io/v1", "OCIRepository", namespace, "x", oci)), charts},
		"the interval of a source":   {patching(repository, `{"spec":{"interval":"7m","timeout":"9m"}}`), none},
		"the Secret of a source":     {patching(repository, `{"spec":{"secretRef":{"name":"x"}}}`), none},
		"the tag of a source":        {patching(repository, `{"spec":{"ref":{"tag":"2.0.0"}}}`), charts},
		"the interval of a chart":    {patching(chart, `{"spec":{"interval":"7m"}}`), none},
		"the version of a chart":     {patching(chart, `{"spec":{"version":"2.0.0"}}`), charts},
		"a HelmChart":                {creating(object("source.toolkit.fluxcd.io/v1", "HelmChart", "apps", "x", helmChartSpec())), charts},
		"an Application":             {creating(object("argoproj.io/v1alpha1", "Application", "apps", "x", applicationSpec())), applications},
		"a GitRepository":            {creating(object("source.toolkit.fluxcd.io/v1", "GitRepository", "apps", "x", map[string]any{"interval": "1m", "url": "https://x"})), none},
		"the status of a release":    {patchingStatus(release, `{"status":{"failures":1}}`), none},
		"a release's chart":          {patchingStatus(release, `{"status":{"helmChart":"apps/x"}}`), releases},
		"a condition of a chart":     {patchingStatus(chart, `{"status":{"observedGeneration":2}}`), none},
		"a chart's artifact":         {patchingStatus(chart, `{"status":{"artifact":{"url":"http://x","path":"x","revision":"1","lastUpdateTime":"2026-11-20T00:00:00Z"}}}`), "artifacts.chartgate.dev"},
		"a repository's artifact":    {patchingStatus(repository, `{"status":{"artifact":{"url":"http://x","path":"x","revision":"1","lastUpdateTime":"2026-11-20T00:00:00Z"}}}`), "artifacts.chartgate.dev"},
		"values of an Application":   {patching(app, `{"spec":{"source":{"helm":{"values":"replicas: 3"}}}}`), none},
		"an Application's version":   {patching(app, `{"spec":{"source":{"targetRevision":"2.0.0"}}}`), applications},
		"a sync":                     {patching(app, `{"operation":{"sync":{"revision":"1.0.0"}}}`), applications},
		"an application's health":    {patching(app, `{"status":{"health":{"status":"Healthy"}}}`), none},
		"an application's state":     {patching(app, `{"status":{"operationState":{"phase":"Running","startedAt":"2026-11-20T00:00:00Z","operation":{"sync":{"revision":"1.0.0"}}}}}`), applications},
		"a ChartPolicy":              {creating(c.policy("x")), policies},
		"a TrustedIdentity":          {creating(object("chartgate.dev/v1alpha1", "TrustedIdentity", "", "x", map[string]any{"key": map[string]any{"pem": "x"}})), policies},
		"a change of the identities": {annotating(identities), policies},
		"another ConfigMap":          {configMap(namespace, "x"), none},
		"one of that name elsewhere": {configMap("apps", "chartgate-identities"), none},

		// Each field by which pkg/source finds a chart, alone.
		"a release of another chart":          {patching(templated, `{"spec":{"chart":{"spec":{"chart":"y"}}}}`), charts},
		"a release of another version":        {patching(templated, `{"spec":{"chart":{"spec":{"version":"2.0.0"}}}}`), charts},
		"a release from another source":       {patching(templated, `{"spec":{"chart":{"spec":{"sourceRef":{"name":"y"}}}}}`), charts},
		"a release with values files":         {patching(templated, `{"spec":{"chart":{"spec":{"valuesFiles":["a.yaml"]}}}}`), charts},
		"an old release with a values file":   {patching(old("helm.toolkit.fluxcd.io/v2beta1", templated), `{"spec":{"chart":{"spec":{"valuesFile":"a.yaml"}}}}`), charts},
		"the interval of a release's chart":   {patching(templated, `{"spec":{"chart":{"spec":{"interval":"7m"}}}}`), none},
		"another chart":                       {patching(chart, `{"spec":{"chart":"y"}}`), charts},
		"a chart from another source":         {patching(chart, `{"spec":{"sourceRef":{"name":"y"}}}`), charts},
		"a chart with values files":           {patching(chart, `{"spec":{"valuesFiles":["a.yaml"]}}`), charts},
		"an old chart with a values file":     {patching(old("source.toolkit.fluxcd.io/v1beta2", chart), `{"spec":{"valuesFile":"a.yaml"}}`), charts},
		"a chart that is suspended":           {patching(chart, `{"spec":{"suspend":true}}`), charts},
		"a source at another URL":             {patching(repository, `{"spec":{"url":"oci://r.corp/y"}}`), charts},
		"a source that copies its layer":      {patching(repository, `{"spec":{"layerSelector":{"operation":"copy"}}}`), charts},
		"a source without TLS":                {patching(repository, `{"spec":{"insecure":true}}`), charts},
		"a source behind a proxy":             {patching(repository, `{"spec":{"proxySecretRef":{"name":"x"}}}`), charts},
		"a source that is suspended":          {patching(repository, `{"spec":{"suspend":true}}`), charts},
		"a HelmRepository at another URL":     {patching(classic, `{"spec":{"url":"https://other.corp"}}`), charts},
		"a HelmRepository of another type":    {patching(classic, `{"spec":{"type":"oci"}}`), charts},
		"a HelmRepository without TLS":        {patching(classic, `{"spec":{"insecure":true}}`), charts},
		"a HelmRepository in a cloud":         {patching(classic, `{"spec":{"provider":"aws"}}`), charts},
		"the interval of a HelmRepository":    {patching(classic, `{"spec":{"interval":"7m"}}`), none},
		"an Application of another chart":     {patching(app, `{"spec":{"source":{"chart":"y"}}}`), applications},
		"an Application from another source":  {patching(app, `{"spec":{"source":{"repoURL":"other.corp"}}}`), applications},
		"an Application with more sources":    {patching(app, `{"spec":{"sources":[{"repoURL":"r.corp","chart":"y","targetRevision":"1.0.0"}]}}`), applications},
		"an Application without its source":   {patching(hydrated, `{"spec":{"source":null}}`), applications},
		"another dry source of a hydrator":    {patching(hydrated, `{"spec":{"sourceHydrator":{"drySource":{"targetRevision":"dev"}}}}`), applications},
		"another branch of a hydrator":        {patching(hydrated, `{"spec":{"sourceHydrator":{"syncSource":{"targetBranch":"dev"}}}}`), applications},
		"an Application without its hydrator": {patching(hydrated, `{"spec":{"sourceHydrator":null}}`), applications},
		"an Application from an OCI registry": {creating(fromGit("source", map[string]any{"repoURL": "OCI://r.corp/x", "path": "."})), applications},
		"one among its sources is":            {creating(fromGit("sources", []any{map[string]any{"repoURL": "OCI://r.corp/x", "path": "."}})), applications},
		"an Application from Git":             {creating(fromGit("source", map[string]any{"repoURL": "https://git.corp/oci:x", "path": "."})), none},

		// An operation that is terminated deploys nothing.
		"a sync that is terminated":      {terminating(``), none},
		"one that has another operation": {terminating(`,"operation":{"sync":{"revision":"2.0.0"}}`), applications},
		"one that has a result":          {terminating(`,"syncResult":{"revision":"2.0.0"}`), applications},
		"one that is retried":            {terminating(`,"retryCount":2`), applications},
		"one that is finished":           {terminating(`,"finishedAt":"2026-11-20T00:00:00Z"`), applications},

		// What helm-controller records of its attempts.
		"an attempt's version":                   {patchingStatus(release, `{"status":{"lastAttemptedRevision":"1.0.0"}}`), releases},
		"an attempt's digest":                    {patchingStatus(release, `{"status":{"lastAttemptedRevisionDigest":"sha256:0"}}`), releases},
		"an attempt's values":                    {patchingStatus(release, `{"status":{"lastAttemptedConfigDigest":"sha256:0"}}`), releases},
		"an old attempt's values":                {patchingStatus(release, `{"status":{"lastAttemptedValuesChecksum":"0"}}`), releases},
		"an install":                             {announcing(release, "Running 'install' action with timeout of 5m0s"), releases},
		"an upgrade":                             {announcing(release, "Running 'upgrade' action with timeout of 5m0s"), releases},
		"an action of a helm-controller to come": {announcing(release, "Running 'adopt' action with timeout of 5m0s"), releases},
		"two announcements":                      {announcing(release, "Fulfilling prerequisites", "Fulfilling prerequisites"), releases},
		"no action":                              {announcing(release, "Fulfilling prerequisites"), none},
		"a rollback":                             {announcing(release, "Running 'rollback' action with timeout of 5m0s"), none},
		"an uninstallation":                      {announcing(release, "Running 'uninstall' action with timeout of 5m0s"), none},
		"an unlocking":                           {announcing(release, "Running 'unlock' action with timeout of 5m0s"), none},
		"a test":                                 {announcing(release, "Running 'test' action with timeout of 5m0s"), none},
		"a correction of drift":                  {announcing(release, "Running 'correct cluster drift' action with timeout of 5m0s"), none},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.write(t.Context(), c.Client)
			switch called := fmt.Sprintf("failed calling webhook %q", tc.want); {
			case tc.want == none && err != nil:
				t.Errorf("no webhook should be called: %v", err)
			case tc.want != none && (err == nil || !strings.Contains(err.Error(), called)):
				t.Errorf("got %v, want %s", err, called)
			}
		})
	}
}

// failWebhooks turns both webhooks to a port that no server listens on, with failurePolicy Fail,
// after before has run without a webhook.
func (c *controlPlane) failWebhooks(before func()) {
	c.t.Helper()
	configuration := &admissionv1.ValidatingWebhookConfiguration{}
	c.get("chartgate", configuration)
	if err := c.Client.Delete(c.t.Context(), configuration); err != nil {
		c.t.Fatal(err)
	}
	// The API server reads the configuration a moment later.
	harness.Eventually(c.t, func() string {
		err := c.Client.Create(c.t.Context(), object("source.toolkit.fluxcd.io/v1", "OCIRepository", "apps", "probe",
			map[string]any{"interval": "1m", "url": "oci://r.corp/x"}), client.DryRunAll)
		if err != nil {
			return err.Error()
		}
		return ""
	})
	before()
	configuration.ResourceVersion = ""
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].FailurePolicy = new(admissionv1.Fail)
		configuration.Webhooks[i].ClientConfig = admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")}
	}
	c.create(configuration)
	harness.Eventually(c.t, func() string {
		if err := c.Client.Create(c.t.Context(), c.policy("probe"), client.DryRunAll); err == nil {
			return "the webhook is not called yet"
		}
		return ""
	})
}

func creating(object client.Object) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error { return c.Create(ctx, object) }
}

func annotating(object client.Object) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		old := object.DeepCopyObject().(client.Object)
		annotations := maps.Clone(object.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["touched"] = "true"
		object.SetAnnotations(annotations)
		return c.Patch(ctx, object, client.MergeFrom(old))
	}
}

func patching(o *unstructured.Unstructured, patch string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Patch(ctx, o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
	}
}

func patchingStatus(o *unstructured.Unstructured, patch string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Status().Patch(ctx, o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
	}
}

// announcing writes conditions of type Reconciling, by which helm-controller announces its actions.
func announcing(o *unstructured.Unstructured, messages ...string) func(context.Context, client.Client) error {
	var conditions []string
	for _, message := range messages {
		conditions = append(conditions, fmt.Sprintf(`{"type":"Reconciling","status":"True","reason":"Progressing","lastTransitionTime":"2026-11-20T00:00:00Z","message":%q}`, message))
	}
	return patchingStatus(o, `{"status":{"conditions":[`+strings.Join(conditions, ",")+`]}}`)
}

func helmChartSpec() map[string]any {
	return map[string]any{"interval": "1m", "chart": "x", "sourceRef": map[string]any{"kind": "HelmRepository", "name": "x"}}
}

func applicationSpec() map[string]any {
	return map[string]any{
		"project": "default", "destination": map[string]any{"namespace": "apps"},
		"source": map[string]any{"repoURL": "r.corp", "chart": "x", "targetRevision": "1.0.0"},
	}
}

// hydratedSpec is of an Application with a source and a hydrator.
func hydratedSpec() map[string]any {
	spec := applicationSpec()
	spec["sourceHydrator"] = map[string]any{
		"drySource":  map[string]any{"repoURL": "oci://r.corp/x", "path": ".", "targetRevision": "main"},
		"syncSource": map[string]any{"targetBranch": "env", "path": "."},
	}
	return spec
}
