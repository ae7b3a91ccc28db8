package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/config/samples"
	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/source"
)

// samplesIn reads all objects in the files of some folders of config/samples.
func samplesIn(folders ...string) ([]unstructured.Unstructured, error) {
	var objects []unstructured.Unstructured
	for _, folder := range folders {
		entries, err := samples.FS().ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			found, err := sample(folder + "/" + entry.Name())
			if err != nil {
				return nil, err
			}
			objects = append(objects, found...)
		}
	}
	return objects, nil
}

// sample reads the objects in one file of config/samples.
func sample(file string) ([]unstructured.Unstructured, error) {
	content, err := samples.FS().ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		var object unstructured.Unstructured
		if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if object.GetKind() != "" {
			objects = append(objects, object)
		}
	}
}

// policies are those of config/samples.
type policies struct{ set *policy.Set }

// Current implements gate.Policies.
func (p policies) Current() *policy.Set { return p.set }

func samplePolicies() (policies, error) {
	objects, err := samplesIn("policies")
	if err != nil {
		return policies{}, err
	}
	var in policy.Input
	for _, object := range objects {
		var identity v1alpha1.TrustedIdentity
		var chartPolicy v1alpha1.ChartPolicy
		raw, err := object.MarshalJSON()
		if err != nil {
			return policies{}, err
		}
		switch object.GetKind() {
		case "TrustedIdentity":
			err = yaml.UnmarshalStrict(raw, &identity)
			in.Identities = append(in.Identities, identity)
		case "ChartPolicy":
			err = yaml.UnmarshalStrict(raw, &chartPolicy)
			in.Policies = append(in.Policies, chartPolicy)
		case "Kustomization": // the file that lists the others
		default:
			err = fmt.Errorf("kind %s is not a policy", object.GetKind())
		}
		if err != nil {
			return policies{}, err
		}
	}
	set, report := policy.Compile(in)
	for _, errs := range []map[string]error{report.Identities, report.Policies} {
		for name := range maps.Keys(errs) {
			return policies{}, fmt.Errorf("%s: %w", name, errs[name])
		}
	}
	return policies{set}, nil
}

// cluster holds the samples as if they were in a cluster.
type cluster []source.Object

func sampleCluster() (cluster, error) {
	objects, err := samplesIn("flux", "argo", "denied")
	if err != nil {
		return nil, err
	}
	var all cluster
	for _, object := range objects {
		raw, err := object.MarshalJSON()
		if err != nil {
			return nil, err
		}
		all = append(all, source.Object{ID: idOf(object), JSON: raw})
	}
	return all, nil
}

func idOf(object unstructured.Unstructured) source.ID {
	return source.ID{Group: object.GroupVersionKind().Group, Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName()}
}

// Read implements source.Reader.
func (c cluster) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	for _, object := range c {
		if object.ID == id {
			return []source.Object{object}, nil
		}
	}
	return nil, nil
}

// Releases implements source.Reader.
func (c cluster) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	return source.ReleasesOf(c, from), nil
}
