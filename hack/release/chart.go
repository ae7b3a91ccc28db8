package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/yaml"
)

// chartSource is the chart in the checkout.
const chartSource = "charts/chartgate"

// packagedChart is the chart of the release.
type packagedChart struct {
	*chart.Chart
	archive []byte
}

// packageChart packs the chart as the release has it: with its version, and with the image by digest. Unlike helm package,
// it makes the same bytes from the same input.
func (r *release) packageChart(image reference) (packagedChart, error) {
	checkout, err := loader.LoadDir(chartSource)
	if err != nil {
		return packagedChart{}, err
	}
	var entries []entry
	for _, file := range checkout.Raw {
		text := string(file.Data)
		switch file.Name {
		case "Chart.yaml":
			text, err = r.released(text, checkout.Metadata, image)
		case "values.yaml":
			text, err = pinned(text, image)
		}
		if err != nil {
			return packagedChart{}, fmt.Errorf("%s: %w", file.Name, err)
		}
		entries = append(entries, entry{path.Join(checkout.Name(), file.Name), []byte(text), 0o644})
	}
	// Readers of archives expect Chart.yaml first.
	slices.SortFunc(entries, func(a, b entry) int {
		if first := strings.HasSuffix(b.name, "/Chart.yaml"); first != strings.HasSuffix(a.name, "/Chart.yaml") {
			if first {
				return 1
			}
			return -1
		}
		return strings.Compare(a.name, b.name)
	})
	packed := packagedChart{}
	if packed.archive, err = tarGzip(entries, r.commit.Time); err != nil {
		return packed, err
	}
	packed.Chart, err = loader.LoadArchive(bytes.NewReader(packed.archive))
	if err != nil {
		return packed, err
	}
	return packed, packed.check(r.number, image)
}

// released is Chart.yaml with the version, and with what Artifact Hub shows.
func (r *release) released(text string, was *chart.Metadata, image reference) (string, error) {
	text, err := replace(text, map[string]string{
		"\nversion: " + was.Version + "\n":       "\nversion: " + r.number + "\n",
		"\nappVersion: " + was.AppVersion + "\n": "\nappVersion: " + r.number + "\n",
	})
	if err != nil {
		return "", err
	}
	images, err := yaml.Marshal([]map[string]any{{
		"name": "chartgate", "image": image.String(), "platforms": r.imagePlatforms(),
	}})
	if err != nil {
		return "", err
	}
	annotations, err := yaml.Marshal(map[string]string{"artifacthub.io/images": string(images)})
	if err != nil {
		return "", err
	}
	return replace(text, map[string]string{"\nannotations:\n": "\nannotations:\n" + indented(string(annotations))})
}

// pinned is values.yaml with the image.
func pinned(text string, image reference) (string, error) {
	return replace(text, map[string]string{
		"\n  repository: \"\"\n": "\n  repository: " + image.repository + "\n",
		"\n  digest: \"\"\n":     "\n  digest: " + image.digest + "\n",
	})
}

// replace replaces texts, each of which must be there exactly once. Comments stay.
func replace(text string, pairs map[string]string) (string, error) {
	for old, by := range pairs {
		if count := strings.Count(text, old); count != 1 {
			return "", fmt.Errorf("want %q once, found it %d times", strings.TrimSpace(old), count)
		}
		text = strings.Replace(text, old, by, 1)
	}
	return text, nil
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ") + "\n"
}

// check reads the packed chart as helm does.
func (c packagedChart) check(number string, image reference) error {
	if c.Metadata.Version != number || c.Metadata.AppVersion != number {
		return fmt.Errorf("the packed chart has version %s and appVersion %s", c.Metadata.Version, c.Metadata.AppVersion)
	}
	values, _ := c.Values["image"].(map[string]any)
	if values["repository"] != image.repository || values["digest"] != image.digest {
		return fmt.Errorf("the packed chart has the image %v", values)
	}
	return nil
}

// The media types of a chart in an OCI registry.
const (
	chartConfigType  = "application/vnd.cncf.helm.config.v1+json"
	chartContentType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// artifact is the chart as helm push stores it, at a fixed time.
func (c packagedChart) artifact(created time.Time) (artifact, error) {
	config, err := json.Marshal(c.Metadata)
	if err != nil {
		return artifact{}, err
	}
	return newArtifact(blob{chartConfigType, config}, blob{chartContentType, c.archive}, map[string]string{
		"org.opencontainers.image.title":       c.Metadata.Name,
		"org.opencontainers.image.description": c.Metadata.Description,
		"org.opencontainers.image.version":     c.Metadata.Version,
		"org.opencontainers.image.url":         c.Metadata.Home,
		"org.opencontainers.image.source":      c.Metadata.Sources[0],
		"org.opencontainers.image.created":     created.UTC().Format(time.RFC3339),
	})
}
