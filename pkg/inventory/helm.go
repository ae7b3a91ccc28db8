package inventory

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/source"
)

const (
	// secretType is that of the Secrets in which helm 3 and 4 keep releases
	// (pkg/storage/driver/secrets.go).
	secretType = "helm.sh/release.v1"
	// secretsPage is how many Secrets one request lists, without their content.
	secretsPage = 500
	// maxReleases bounds the Secrets whose content is read, readsAtOnce how many at a time: each
	// has up to 1 MiB.
	maxReleases = 5000
	readsAtOnce = 4
	// maxUnpacked bounds how much of a release is unpacked to find the name of its chart, which
	// comes before values, templates and manifests.
	maxUnpacked = 4 << 20
)

// releaseKey names a release where helm keeps it.
type releaseKey struct{ namespace, name string }

// driver is a place in which helm keeps releases (HELM_DRIVER; pkg/storage/driver).
type driver struct {
	kind     string
	selector fields.Selector
}

// drivers are those whose releases are in the cluster. With "sql" they are in a database.
func drivers() []driver {
	return []driver{{"Secret", fields.OneTermEqualSelector("type", secretType)}, {"ConfigMap", fields.Everything()}}
}

// newest is the object of a release's newest revision.
type newest struct {
	kind, object string
	revision     int
	uninstalled  bool // and kept as history
	pending      bool // an install or upgrade is under way
}

// Releases lists the releases that helm itself installed, by the Secrets or ConfigMaps in which it
// keeps them. Those that helm-controller has installed, by the HelmReleases in s, are left out. It needs the right to list and get both; what
// it cannot read is a problem.
func (c *Cluster) Releases(ctx context.Context, kube client.Reader, s *Snapshot) ([]HelmRelease, []Problem) {
	found := map[releaseKey]newest{}
	var problems []Problem
	var forbidden []string
	for _, in := range drivers() {
		switch err := c.addNewest(ctx, kube, in, found); {
		case apierrors.IsForbidden(err):
			forbidden = append(forbidden, in.kind+"s")
		case err != nil:
			problems = append(problems, Problem{What: "releases that helm itself installed, in " + in.kind + "s " + c.where(), Why: firstLine(err)})
		}
	}
	if len(forbidden) > 0 {
		problems = append(problems, c.withoutRight(forbidden))
	}
	maps.DeleteFunc(found, func(_ releaseKey, at newest) bool { return at.uninstalled })
	leaveOut(found, s.objects)
	if len(found) > maxReleases {
		return nil, append(problems, Problem{What: "releases that helm itself installed, " + c.where(), Why: fmt.Sprintf("there are more than %d", maxReleases), Next: "scan one namespace at a time, with -n"})
	}
	releases, unread := c.readReleases(ctx, kube, found)
	return releases, append(problems, unread...)
}

func (c *Cluster) withoutRight(kinds []string) Problem {
	return Problem{
		What: "releases that helm itself installed, " + c.where(),
		Why:  "helm keeps them in " + strings.Join(kinds, " and ") + ", which this user may not list",
		Next: "ask the cluster's admin for the right to list and get " + strings.ToLower(strings.Join(kinds, " and ")) + ", or leave them out: --helm-releases=false",
	}
}

// addNewest finds the newest revision of each release, without the content of any object.
func (c *Cluster) addNewest(ctx context.Context, kube client.Reader, in driver, found map[releaseKey]newest) error {
	token := ""
	for {
		var list metav1.PartialObjectMetadataList
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(in.kind + "List"))
		err := kube.List(ctx, &list, client.InNamespace(c.Namespace), client.MatchingLabels{"owner": "helm"},
			client.MatchingFieldsSelector{Selector: in.selector}, client.Limit(secretsPage), client.Continue(token))
		if err != nil {
			return err
		}
		for _, each := range list.Items {
			revision, err := strconv.Atoi(each.Labels["version"])
			key := releaseKey{each.Namespace, each.Labels["name"]}
			if err != nil || key.name == "" || found[key].revision >= revision {
				continue
			}
			status := each.Labels["status"]
			found[key] = newest{in.kind, each.Name, revision, status == "uninstalled", strings.HasPrefix(status, "pending-")}
		}
		if token = list.Continue; token == "" {
			return nil
		}
	}
}

// leaveOut drops the releases that helm-controller has installed. Its status says which: name, namespace and revision
// must be those that it has recorded. A spec says nothing, because anyone who can write a HelmRelease can name a release
// that helm itself installed, and suspend it. While an upgrade is under way, its revision is not recorded yet: then the
// spec is believed.
func leaveOut(found map[releaseKey]newest, objects map[source.ID]source.Object) {
	for _, object := range objects {
		if object.Kind != helmv2.HelmReleaseKind {
			continue
		}
		next, recorded := storedAs(object)
		for key, revisions := range recorded {
			if at, ok := found[key]; ok && slices.Contains(revisions, at.revision) {
				delete(found, key)
			}
		}
		if found[next].pending {
			delete(found, next)
		}
	}
}

// storedAs returns where helm-controller keeps the release of a HelmRelease by its spec (GetReleaseName,
// GetStorageNamespace, v1.6), and the revisions that its status records.
func storedAs(object source.Object) (next releaseKey, recorded map[releaseKey][]int) {
	var o struct {
		Spec struct {
			ReleaseName      string `json:"releaseName"`
			TargetNamespace  string `json:"targetNamespace"`
			StorageNamespace string `json:"storageNamespace"`
		} `json:"spec"`
		Status struct {
			StorageNamespace string `json:"storageNamespace"`
			History          []struct {
				Name    string `json:"name"`
				Version int    `json:"version"`
			} `json:"history"`
		} `json:"status"`
	}
	if json.Unmarshal(object.JSON, &o) != nil {
		return releaseKey{}, nil
	}
	name := cmp.Or(o.Spec.ReleaseName, object.Name)
	if o.Spec.ReleaseName == "" && o.Spec.TargetNamespace != "" {
		name = o.Spec.TargetNamespace + "-" + object.Name
	}
	recorded = map[releaseKey][]int{}
	for _, deployed := range o.Status.History {
		key := releaseKey{o.Status.StorageNamespace, deployed.Name}
		recorded[key] = append(recorded[key], deployed.Version)
	}
	return releaseKey{cmp.Or(o.Status.StorageNamespace, o.Spec.StorageNamespace, object.Namespace), name}, recorded
}

// readReleases reads what charts the releases are of.
func (c *Cluster) readReleases(ctx context.Context, kube client.Reader, found map[releaseKey]newest) (releases []HelmRelease, problems []Problem) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(readsAtOnce)
	for key, at := range found {
		group.Go(func() error {
			chart, version, err := readRelease(ctx, kube, at.kind, client.ObjectKey{Namespace: key.namespace, Name: at.object})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case apierrors.IsNotFound(err): // uninstalled since
			case err != nil:
				problems = append(problems, Problem{What: fmt.Sprintf("release %s/%s, which helm itself installed", key.namespace, key.name), Why: firstLine(err)})
			default:
				releases = append(releases, HelmRelease{Namespace: key.namespace, Name: key.name, Chart: chart, Version: version})
			}
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	slices.SortFunc(releases, func(a, b HelmRelease) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(problems, func(a, b Problem) int { return cmp.Compare(a.What, b.What) })
	return releases, problems
}

func readRelease(ctx context.Context, kube client.Reader, kind string, key client.ObjectKey) (chart, version string, err error) {
	if kind == "ConfigMap" {
		var configMap corev1.ConfigMap
		if err := kube.Get(ctx, key, &configMap); err != nil {
			return "", "", err
		}
		return chartOf([]byte(configMap.Data["release"]))
	}
	var secret corev1.Secret
	if err := kube.Get(ctx, key, &secret); err != nil {
		return "", "", err
	}
	return chartOf(secret.Data["release"])
}

var errNotARelease = errors.New("its object holds no release that can be read")

// chartOf finds name and version of the chart in a release as helm stores it: JSON, mostly
// compressed, in base64 (pkg/storage/driver/util.go). It reads no further than it has to.
func chartOf(stored []byte) (name, version string, err error) {
	reader := base64.NewDecoder(base64.StdEncoding, bytes.NewReader(stored))
	head := make([]byte, 2)
	if _, err := io.ReadFull(reader, head); err != nil {
		return "", "", errNotARelease
	}
	reader = io.MultiReader(bytes.NewReader(head), reader)
	if bytes.Equal(head, []byte{0x1f, 0x8b}) {
		if reader, err = gzip.NewReader(reader); err != nil {
			return "", "", errNotARelease
		}
	}
	decoder := json.NewDecoder(io.LimitReader(reader, maxUnpacked))
	var metadata struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if enter(decoder, "chart") != nil || enter(decoder, "metadata") != nil || decoder.Decode(&metadata) != nil || metadata.Name == "" {
		return "", "", errNotARelease
	}
	return metadata.Name, metadata.Version, nil
}

// enter reads the begin of an object, and goes on to the value of one of its fields.
func enter(decoder *json.Decoder, field string) error {
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errNotARelease
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		if token == field {
			return nil
		}
		if err := decoder.Decode(new(json.RawMessage)); err != nil {
			return err
		}
	}
	return errNotARelease
}
