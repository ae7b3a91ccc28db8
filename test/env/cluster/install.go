package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/env/process"
)

// Image is the image that the Deployment names. No kubelet pulls it.
const Image = "registry.corp.example/chartgate"

// Installation is chartgate's chart, applied to a cluster.
type Installation struct {
	cluster     *Cluster
	port        int      // of the webhook
	args        []string // of the Deployment's container
	env         []string // of it too, without what a kubelet would put in
	trustedRoot string
	registryCA  string
	clientCA    string
	certificate certificate // with Files only
	binary      string      // of Pod only
}

// Install renders charts/chartgate and applies it. Values are the chart's. The serving certificate
// is one that the test makes (certificates.existingSecret) or, with managed, that chartgate makes
// itself.
func (c *Cluster) Install(ctx context.Context, values map[string]any, managed bool) (*Installation, error) {
	i := &Installation{cluster: c}
	var err error
	if i.port, err = process.FreePort(); err != nil {
		return nil, err
	}
	// The background verification sends requests to registries, and tests count requests.
	all := map[string]any{"replicas": 1, "audit": map[string]any{"interval": "0"}}
	if !managed {
		if i.certificate, err = newCertificate("chartgate." + Namespace + ".svc"); err != nil {
			return nil, err
		}
		all["certificates"] = map[string]any{"existingSecret": "certificate", "caBundle": string(i.certificate.ca)}
	}
	for key, value := range values {
		all[key] = value
	}
	objects, err := render(ctx, all)
	if err != nil {
		return nil, err
	}
	if err := i.adapt(objects); err != nil {
		return nil, err
	}
	return i, c.apply(ctx, objects)
}

// Installed takes over what helm itself has installed: it replaces what needs a node, as Install does.
// It is called again after an upgrade, which brings back what it replaced.
func (c *Cluster) Installed(ctx context.Context) (*Installation, error) {
	i, objects, err := c.read(ctx, append([]string{"services/chartgate", "validatingwebhookconfigurations/chartgate"}, ofThePod...)...)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if kind := object.GetKind(); kind != "Service" && kind != "ValidatingWebhookConfiguration" {
			continue
		}
		if err := c.Client.Update(ctx, object); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// Pod is what a kubelet starts for the Deployment as it is stored, with the binary of its image. Nothing in the cluster
// changes: who calls this brings requests from the Service to the pod's Address.
func (c *Cluster) Pod(ctx context.Context, binary string) (*Installation, error) {
	i, _, err := c.read(ctx, ofThePod...)
	if err != nil {
		return nil, err
	}
	i.binary = binary
	return i, nil
}

// ofThePod are the objects that a kubelet reads.
var ofThePod = []string{
	"deployments/chartgate", "configmaps/chartgate-trusted-root", "configmaps/chartgate-registry-ca", "configmaps/chartgate-client-ca",
}

// read reads the installation from the cluster, as far as it is in the named objects. The objects are returned adapted.
func (c *Cluster) read(ctx context.Context, names ...string) (*Installation, []*unstructured.Unstructured, error) {
	i := &Installation{cluster: c}
	var err error
	if i.port, err = process.FreePort(); err != nil {
		return nil, nil, err
	}
	var objects []*unstructured.Unstructured
	for _, name := range names {
		out, err := c.Kubectl(ctx, "", "get", name, "--namespace", Namespace, "--ignore-not-found", "--output", "yaml")
		if err != nil {
			return nil, nil, err
		}
		found, err := Objects(out.Stdout)
		if err != nil {
			return nil, nil, err
		}
		objects = append(objects, found...)
	}
	return i, objects, i.adapt(objects)
}

// render returns the chart's objects, as helm renders them.
func render(ctx context.Context, values map[string]any) ([]*unstructured.Unstructured, error) {
	text, err := yaml.Marshal(values)
	if err != nil {
		return nil, err
	}
	return Render(ctx, string(text))
}

// Render returns charts/chartgate as helm renders it with values, in YAML.
func Render(ctx context.Context, values string) ([]*unstructured.Unstructured, error) {
	chart, err := Path("charts", "chartgate")
	if err != nil {
		return nil, err
	}
	out, err := Helm(ctx, values, "template", "chartgate", chart, "--namespace", Namespace, "--values", "-", "--set", "image.repository="+Image)
	if err != nil {
		return nil, err
	}
	return Objects(out.Stdout)
}

var gluedSeparator = regexp.MustCompile(`(?m)[^-\n]---$`)

// Objects reads YAML documents. A separator at the end of another line is an error: the YAML
// reader would drop the document behind it.
func Objects(text string) ([]*unstructured.Unstructured, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	var objects []*unstructured.Unstructured
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if gluedSeparator.Match(document) {
			return nil, fmt.Errorf("no line break before a separator in\n%s", document)
		}
		fields := map[string]any{}
		if err := yaml.UnmarshalStrict(document, &fields); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
		if len(fields) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: fields})
		}
	}
}

// adapt replaces what needs a node: the Service leads to this machine. For an ExternalName, the
// API server takes the port from the webhook's clientConfig. The server's name in TLS stays the
// Service's.
func (i *Installation) adapt(objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		var err error
		switch object.GetKind() {
		case "Service":
			if object.GetName() == "chartgate" {
				object.Object["spec"] = map[string]any{"type": "ExternalName", "externalName": "localhost"}
			}
		case "ValidatingWebhookConfiguration":
			err = i.redirect(object)
		case "Deployment":
			err = i.readDeployment(object)
		case "ConfigMap":
			switch object.GetName() {
			case "chartgate-trusted-root":
				i.trustedRoot, _, err = unstructured.NestedString(object.Object, "data", "trusted_root.json")
			case "chartgate-registry-ca":
				i.registryCA, _, err = unstructured.NestedString(object.Object, "data", "ca.crt")
			case "chartgate-client-ca":
				i.clientCA, _, err = unstructured.NestedString(object.Object, "data", "ca.crt")
			}
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	if len(i.args) == 0 {
		return errors.New("there is no Deployment of chartgate")
	}
	return nil
}

func (i *Installation) redirect(configuration *unstructured.Unstructured) error {
	webhooks, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil {
		return err
	}
	for _, webhook := range webhooks {
		fields, _ := webhook.(map[string]any)
		if err := unstructured.SetNestedField(fields, int64(i.port), "clientConfig", "service", "port"); err != nil {
			return err
		}
	}
	return unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks")
}

// readDeployment takes the arguments over, so that the tests run what the chart would.
func (i *Installation) readDeployment(object *unstructured.Unstructured) error {
	var deployment appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment); err != nil {
		return err
	}
	containers := deployment.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		return fmt.Errorf("want one container, found %d", len(containers))
	}
	expand := strings.NewReplacer(variables(containers[0].Env)...)
	for _, arg := range containers[0].Args {
		i.args = append(i.args, expand.Replace(arg))
	}
	for _, variable := range containers[0].Env {
		if variable.ValueFrom == nil && variable.Name != "HOME" && !strings.Contains(variable.Value, "$(") {
			i.env = append(i.env, variable.Name+"="+variable.Value)
		}
	}
	return nil
}

// variables replaces $(NAME) in the chart's arguments, as a kubelet does.
func variables(env []corev1.EnvVar) []string {
	var pairs []string
	for _, variable := range env {
		if from := variable.ValueFrom; from != nil && from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.namespace" {
			pairs = append(pairs, "$("+variable.Name+")", Namespace)
		}
	}
	return pairs
}

// apply applies the definitions first and waits for them, as helm does.
func (c *Cluster) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	var definitions, others []*unstructured.Unstructured
	for _, object := range objects {
		if object.GetKind() == "CustomResourceDefinition" {
			definitions = append(definitions, object)
		} else {
			others = append(others, object)
		}
	}
	if err := c.Apply(ctx, definitions...); err != nil {
		return err
	}
	for _, definition := range definitions {
		if _, err := c.Kubectl(ctx, "", "wait", "--for=condition=Established", "crd/"+definition.GetName()); err != nil {
			return err
		}
	}
	return c.Apply(ctx, others...)
}

// Apply applies objects on the server's side, with kubectl.
func (c *Cluster) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	var text strings.Builder
	for _, object := range objects {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			return err
		}
		text.WriteString("---\n" + string(document))
	}
	_, err := c.Kubectl(ctx, text.String(), "apply", "--server-side", "-f", "-")
	return err
}
