package main

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// chartIndex is an index.yaml as helm reads it. It holds no digests: with one, helm 4 takes a chart
// from its own cache, and chartgate is not asked.
type chartIndex struct {
	APIVersion string                  `json:"apiVersion"`
	Entries    map[string][]chartEntry `json:"entries"`
}

type chartEntry struct {
	APIVersion string   `json:"apiVersion"`
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	URLs       []string `json:"urls"`
}

// indexOf makes the index of a repository whose one chart has these tags. Nothing in it is verified:
// it only names what helm can ask for.
func indexOf(at chart.Location, tags []string) ([]byte, error) {
	versions := chart.Versions(tags)
	if len(versions) == 0 {
		return nil, &problem.Error{
			Kind:   problem.KindNotFound,
			Detail: fmt.Sprintf("no tag of %s is a version", at),
			Next:   "push the chart with helm push, whose tag is the chart's version",
		}
	}
	var entries []chartEntry
	for _, version := range versions {
		entries = append(entries, chartEntry{
			APIVersion: "v2", Name: at.Name(), Version: version,
			URLs: []string{fmt.Sprintf("%s://%s/%s/%s-%s.tgz", helmScheme, at.Host(), at.Path(), at.Name(), version)},
		})
	}
	return yaml.Marshal(chartIndex{APIVersion: "v1", Entries: map[string][]chartEntry{at.Name(): entries}})
}
